"""Trunk: a stack of mixers, each followed by a position-wise network, with norms before both."""

from collections.abc import Callable
from typing import Protocol, cast

import torch
from torch import Tensor, nn


class Mixer(Protocol):
    """A module that mixes positions; also at one position a row."""

    def __call__(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        ...

    def at(self, x: Tensor, place: Tensor) -> Tensor:
        """[B, T, D], int64 [B] -> [B, D]."""
        ...


def position_wise(d_model: int, dropout: float) -> nn.Sequential:
    """The network that transforms each position by itself: [..., D] -> [..., D]."""
    return nn.Sequential(
        nn.Linear(d_model, 4 * d_model), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * d_model, d_model)
    )


class Block(nn.Module):
    """x + mixer(norm(x)), then x + network(norm(x)) (pre-norm transformer block)."""

    def __init__(self, mixer: Mixer, d_model: int, dropout: float) -> None:
        super().__init__()
        self.mixer = mixer
        self.norm_mixer = nn.LayerNorm(d_model)
        self.norm_network = nn.LayerNorm(d_model)
        self.network = position_wise(d_model, dropout)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        return self._transform(x + self.drop(self.mixer(self.norm_mixer(x))))

    def at(self, x: Tensor, place: Tensor) -> Tensor:
        """Row b of `forward` at position place[b] alone: [B, T, D], int64 [B] -> [B, D]."""
        here = x[torch.arange(len(x), device=x.device), place]
        return self._transform(here + self.drop(self.mixer.at(self.norm_mixer(x), place)))

    def _transform(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.drop(self.network(self.norm_network(x)))
        return out


class Trunk(nn.Module):
    """`n_blocks` blocks and a last norm; causal if its mixers are."""

    def __init__(
        self, make_mixer: Callable[[], Mixer], *, n_blocks: int, d_model: int, dropout: float
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(make_mixer(), d_model, dropout) for _ in range(n_blocks))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.norm(x)
        return out

    def at(self, x: Tensor, place: Tensor) -> Tensor:
        """`forward` at one position a row, as an answer needs it: [B, T, D], int64 [B] -> [B, D]."""
        for block in self.blocks[:-1]:
            x = block(x)
        out: Tensor = self.norm(cast(Block, self.blocks[-1]).at(x, place))
        return out
