"""Causal softmax attention, with an optional penalty that grows with distance.

Dims: B sequences, T positions, D model size, H heads.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class CausalAttention(nn.Module):
    """Multi-head self-attention that never looks ahead.

    With `distance_bias`, head h subtracts slope_h * distance from its logits (ALiBi, Press et al. 2022,
    arXiv:2108.12409, section 3), so positions need no embedding and windows may slide. Attention weights have
    no dropout: it would rule out the fused kernel, and the blocks drop what comes out.
    """

    def __init__(self, d_model: int, n_heads: int, *, distance_bias: bool) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.distance_bias = distance_bias
        self.project = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor, day: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D]; it has no clock."""
        query, key, value = (self._heads(part) for part in self.project(x).chunk(3, dim=-1))
        bias = self._bias(x.shape[1], x)[None]  # with three axes torch takes no fused kernel
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(x.shape))
        return out

    def at(self, x: Tensor, place: Tensor, day: Tensor | None = None) -> Tensor:
        """Position place[b] of row b alone: [B, T, D], int64 [B] -> [B, D]."""
        b, t, d = x.shape
        weight, shift = self.project.weight, self.project.bias
        asking = x[torch.arange(b, device=x.device), place][:, None]
        query = self._heads(functional.linear(asking, weight[:d], shift[:d]))
        key, value = (self._heads(part) for part in functional.linear(x, weight[d:], shift[d:]).chunk(2, -1))
        bias = self._bias(t, x)[:, place].transpose(0, 1)[:, :, None]
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        out: Tensor = self.out(mixed.reshape(b, d))
        return out

    def _heads(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, H, T, D / H]."""
        b, t, d = x.shape
        return x.view(b, t, self.n_heads, d // self.n_heads).transpose(1, 2)

    def _bias(self, t: int, like: Tensor) -> Tensor:
        """Added to the logits: [H, T, T], -inf ahead of a position."""
        place = torch.arange(t, device=like.device)
        distance = (place[:, None] - place[None, :]).to(like.dtype)
        slopes = torch.exp2(-8 * torch.arange(1, self.n_heads + 1, device=like.device) / self.n_heads)
        penalty = slopes.to(like.dtype)[:, None, None] * distance * float(self.distance_bias)
        return (-penalty).masked_fill(distance < 0, float("-inf"))
