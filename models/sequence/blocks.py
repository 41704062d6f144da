"""Blocks: one layer of a trunk; a mixer looks along the history, and what is around it differs by style.

Every block also answers for one position a row alone (`at`), which is all that a served answer needs.
Dims: B rows, T positions, D model size.
"""

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.sequence.dropout import Dropout


class Mixer(Protocol):
    """A module that mixes positions; also at one position a row.

    `day`, float [B, T], tells when each position was, in days since 1970; a mixer without a clock ignores it.
    """

    def __call__(self, x: Tensor, day: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        ...

    def at(self, x: Tensor, place: Tensor, day: Tensor | None = None) -> Tensor:
        """[B, T, D], int64 [B] -> [B, D]."""
        ...


def position_wise(d_model: int, dropout: float) -> nn.Sequential:
    """The network that transforms each position by itself: [..., D] -> [..., D]."""
    return nn.Sequential(
        nn.Linear(d_model, 4 * d_model), nn.GELU(), Dropout(dropout), nn.Linear(4 * d_model, d_model)
    )


class PreNormBlock(nn.Module):
    """x + mixer(norm(x)), then x + network(norm(x)) (pre-norm transformer block)."""

    def __init__(self, mixer: Mixer, d_model: int, dropout: float) -> None:
        super().__init__()
        self.mixer = mixer
        self.norm_mixer = nn.LayerNorm(d_model)
        self.norm_network = nn.LayerNorm(d_model)
        self.network = position_wise(d_model, dropout)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, day: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        return self._transform(x + self.drop(self.mixer(self.norm_mixer(x), day)))

    def at(self, x: Tensor, place: Tensor, day: Tensor | None = None) -> Tensor:
        """Row b of `forward` at position place[b] alone: [B, T, D], int64 [B] -> [B, D]."""
        return self._transform(_here(x, place) + self.drop(self.mixer.at(self.norm_mixer(x), place, day)))

    def _transform(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.drop(self.network(self.norm_network(x)))
        return out


class GatedBlock(nn.Module):
    """x + gate(x) * mixer(norm(x)), then x + gate(x) * network(norm(x)), where gate is sigmoid(linear).

    The LiGR layer (Borisyuk et al. 2025, arXiv:2502.03417) as eSASRec has it (arXiv:2508.06450): its gates
    read the stream before the norm, and its network is a SwiGLU.
    """

    def __init__(self, mixer: Mixer, d_model: int, dropout: float) -> None:
        super().__init__()
        self.mixer = mixer
        self.norm_mixer = nn.LayerNorm(d_model)
        self.norm_network = nn.LayerNorm(d_model)
        self.gate_mixer = nn.Linear(d_model, d_model)
        self.gate_network = nn.Linear(d_model, d_model)
        self.network = SwiGLU(d_model, dropout)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, day: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        return self._gated(x, self.mixer(self.norm_mixer(x), day))

    def at(self, x: Tensor, place: Tensor, day: Tensor | None = None) -> Tensor:
        """Row b of `forward` at position place[b] alone: [B, T, D], int64 [B] -> [B, D]."""
        return self._gated(_here(x, place), self.mixer.at(self.norm_mixer(x), place, day))

    def _gated(self, x: Tensor, mixed: Tensor) -> Tensor:
        x = x + self.gate_mixer(x).sigmoid() * self.drop(mixed)
        out: Tensor = x + self.gate_network(x).sigmoid() * self.drop(self.network(self.norm_network(x)))
        return out


class BareBlock(nn.Module):
    """x + mixer(norm(x)) and nothing else, for a mixer that is a whole layer by itself."""

    def __init__(self, mixer: Mixer, d_model: int, dropout: float) -> None:
        super().__init__()
        self.mixer = mixer
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, day: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        return x + self.mixer(self.norm(x), day)

    def at(self, x: Tensor, place: Tensor, day: Tensor | None = None) -> Tensor:
        """Row b of `forward` at position place[b] alone: [B, T, D], int64 [B] -> [B, D]."""
        return _here(x, place) + self.mixer.at(self.norm(x), place, day)


class SwiGLU(nn.Module):
    """down(silu(gate(x)) * up(x)), four times as wide inside (Shazeer 2020, arXiv:2002.05202), no biases."""

    def __init__(self, d_model: int, dropout: float) -> None:
        super().__init__()
        self.gate = nn.Linear(d_model, 4 * d_model, bias=False)
        self.up = nn.Linear(d_model, 4 * d_model, bias=False)
        self.down = nn.Linear(4 * d_model, d_model, bias=False)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        out: Tensor = self.down(self.drop(functional.silu(self.gate(x)) * self.up(x)))
        return out


def _here(x: Tensor, place: Tensor) -> Tensor:
    """Position place[b] of row b: [B, T, D], int64 [B] -> [B, D]."""
    return x[torch.arange(len(x), device=x.device), place]
