"""Gated pointwise attention: weights by SiLU instead of softmax, biased by distance in places and in time.

The layer of HSTU (Zhai et al. 2024, arXiv:2402.17152, section 3.2): a sum over the history whose weights do
not compete, normed and gated by the position itself. One departure: the published code measures time back
from the next event, which tells a state the moment it is asked about; here a state knows its own time only.
Dims: B rows, T positions, D model size, H heads.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from data.interactions import SECONDS_PER_DAY
from models.sequence.dropout import Dropout

N_BUCKETS = 64  # the last one starts at 5.4 years
BUCKET_WIDTH = 0.301  # of the natural logarithm of seconds, as published


class GatedPointwise(nn.Module):
    """Multi-head gated attention without softmax that never looks ahead."""

    def __init__(self, d_model: int, n_heads: int, *, n_positions: int, dropout: float) -> None:
        """Prepare the layer.

        Args:
            d_model: D.
            n_heads: H, divides D.
            n_positions: most positions of a row; sums are divided by it, so padding changes nothing.
            dropout: of what comes out of the gate.
        """
        super().__init__()
        self.n_heads, self.n_positions = n_heads, n_positions
        self.project = nn.Linear(d_model, 4 * d_model)
        self.norm = nn.LayerNorm(d_model, eps=1e-6)
        self.drop = Dropout(dropout)
        self.out = nn.Linear(d_model, d_model)
        self.by_distance = nn.Parameter(torch.zeros(n_positions))
        self.by_time = nn.Parameter(torch.zeros(N_BUCKETS))

    def forward(self, x: Tensor, day: Tensor | None = None) -> Tensor:
        """[B, T, D], days float [B, T] -> [B, T, D]."""
        everywhere = torch.arange(x.shape[1], device=x.device).expand(len(x), -1)
        return self._mix(x, x, everywhere, day)

    def at(self, x: Tensor, place: Tensor, day: Tensor | None = None) -> Tensor:
        """Position place[b] of row b alone: [B, T, D], int64 [B] -> [B, D]."""
        here = x[torch.arange(len(x), device=x.device), place]
        return self._mix(here[:, None], x, place[:, None], day)[:, 0]

    def _mix(self, asking: Tensor, x: Tensor, place: Tensor, day: Tensor | None) -> Tensor:
        """Positions `place`, int64 [B, S], with inputs [B, S, D], over all of x [B, T, D] -> [B, S, D]."""
        d = x.shape[-1]
        weight, shift = self.project.weight, self.project.bias
        gate, query = functional.silu(functional.linear(asking, weight[: 2 * d], shift[: 2 * d])).chunk(2, -1)
        key, value = functional.silu(functional.linear(x, weight[2 * d :], shift[2 * d :])).chunk(2, -1)
        logits = self._heads(query) @ self._heads(key).transpose(-1, -2)
        ahead = place[:, :, None] < torch.arange(x.shape[1], device=x.device)
        logits = logits + self._bias(place, x.shape[1], day)[:, None]
        weights = functional.silu(logits).masked_fill(ahead[:, None], 0) / self.n_positions
        mixed = (weights @ self._heads(value)).transpose(1, 2).flatten(2)
        out: Tensor = self.out(self.drop(gate * self.norm(mixed)))
        return out

    def _heads(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, H, T, D / H]."""
        b, t, d = x.shape
        return x.view(b, t, self.n_heads, d // self.n_heads).transpose(1, 2)

    def _bias(self, place: Tensor, n_seen: int, day: Tensor | None) -> Tensor:
        """Added to the logits of all heads: float [B, S, T]; of no meaning ahead of a position."""
        back = place[:, :, None] - torch.arange(n_seen, device=place.device)
        bias: Tensor = self.by_distance[back.clamp(min=0)]
        if day is None:
            return bias
        return bias + self.by_time[time_buckets(day.gather(1, place)[:, :, None] - day[:, None])]


def time_buckets(days: Tensor) -> Tensor:
    """Bucket of a time difference, floor(log(seconds) / 0.301): float -> int64, same shape.

    Below a second, and in the future, it is 0. Compared with the borders, not computed, so that it is exact.
    """
    borders = [math.exp(BUCKET_WIDTH * (n + 1)) / SECONDS_PER_DAY for n in range(N_BUCKETS - 1)]
    return torch.bucketize(days, torch.tensor(borders, dtype=days.dtype, device=days.device), right=True)
