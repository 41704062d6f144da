"""Block-causal attention: items are blocks of L tokens; a token sees its own item and all items before it.

RecGPT's hybrid mask (arXiv:2506.06270): lower-triangular, with the aligned L x L blocks on the diagonal
filled in, so the tokens of one item read each other both ways. Dims: T positions, a multiple of L; H heads.
"""

import torch
from torch import Tensor

from models.sequence.mixers.attention import CausalAttention


class BlockCausalAttention(CausalAttention):
    """`CausalAttention` over blocks of `block` positions."""

    def __init__(self, d_model: int, n_heads: int, *, block: int) -> None:
        super().__init__(d_model, n_heads, distance_bias=False)
        self.block = block

    def _bias(self, t: int, like: Tensor) -> Tensor:
        """Added to the logits: [H, T, T], -inf ahead of a position's block."""
        item = torch.arange(t, device=like.device) // self.block
        later = item[None, :] > item[:, None]
        return like.new_zeros(self.n_heads, t, t).masked_fill(later, float("-inf"))
