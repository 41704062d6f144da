"""Branching attention: causal attention over a sequence whose end may go on in several ways at once.

The positions so far are the stem; a beam search tries W continuations of it, each a branch of tokens that see
the stem and their own branch. The stem's keys and values are kept once per query, never once per branch.
Dims: Q queries, S stem positions, W branches, G grown tokens of a branch, H heads, D model size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.sequence.mixers.attention import CausalAttention


@dataclass(frozen=True, slots=True)
class Remembered:
    """Keys and values: float [Q, H, S, D / H] of a stem, float [Q, H, W, G, D / H] of branches."""

    key: Tensor
    value: Tensor


class BranchingAttention(CausalAttention):
    """`CausalAttention` without distance bias, which can also go on one token at a time."""

    def __init__(self, d_model: int, n_heads: int) -> None:
        super().__init__(d_model, n_heads, distance_bias=False)

    def remember(self, x: Tensor) -> Remembered:
        """What later tokens need of a stem: [Q, S, D]."""
        d = x.shape[2]
        both = torch.nn.functional.linear(x, self.project.weight[d:], self.project.bias[d:])
        key, value = (self._heads(part) for part in both.chunk(2, dim=-1))
        return Remembered(key, value)

    def grow(
        self, x: Tensor, stem: Remembered, real: Tensor, grown: Remembered | None, source: Tensor
    ) -> tuple[Tensor, Remembered]:
        """One more token on each branch.

        Args:
            x: [Q, W, D], the new tokens.
            stem: keys and values before all branches.
            real: bool [Q, S], False at pads; every query has a real position.
            grown: of the branches before, None if these are the first tokens.
            source: int64 [Q, W], the branch before that each new one goes on from.

        Returns:
            [Q, W, D], and what the branches remember now.
        """
        query, key, value = (self._heads(part) for part in self.project(x).chunk(3, dim=-1))
        now = Remembered(key[..., None, :], value[..., None, :])
        if grown is not None:
            now = Remembered(_append(grown.key, source, now.key), _append(grown.value, source, now.value))
        to_stem = (query @ stem.key.transpose(2, 3)).masked_fill(~real[:, None, None, :], float("-inf"))
        to_branch = (now.key @ query[..., None])[..., 0]
        share = (torch.cat([to_stem, to_branch], dim=-1) * query.shape[-1] ** -0.5).softmax(dim=-1)
        of_stem, of_branch = share.split([to_stem.shape[-1], to_branch.shape[-1]], dim=-1)
        mixed = of_stem @ stem.value + (of_branch[..., None, :] @ now.value)[..., 0, :]
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(x.shape))
        return out, now


def _append(before: Tensor, source: Tensor, new: Tensor) -> Tensor:
    """The branches gone on from, [Q, H, W', G, D / H] by int64 [Q, W], with one more token each."""
    index = source[:, None, :, None, None].expand(-1, before.shape[1], -1, *before.shape[3:])
    return torch.cat([before.gather(2, index), new], dim=3)
