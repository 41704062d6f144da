"""Cross attention: positions that look something up in a memory, all of it at once.

Dims: B rows, T positions that ask, S positions of the memory, H heads, D model size.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Memory:
    """What can be looked up.

    Attributes:
        vectors: float [B, S, D].
        real: bool [B, S], False at pads; every row has a real position.
    """

    vectors: Tensor
    real: Tensor


class CrossAttention(nn.Module):
    """Multi-head attention of `x` over a memory (Vaswani et al. 2017, arXiv:1706.03762, section 3.2)."""

    def __init__(self, d_model: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.ask = nn.Linear(d_model, d_model)
        self.project = nn.Linear(d_model, 2 * d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        key, value = (self._heads(part) for part in self.project(memory.vectors).chunk(2, dim=-1))
        mixed = functional.scaled_dot_product_attention(
            self._heads(self.ask(x)), key, value, attn_mask=memory.real[:, None, None, :]
        )
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(x.shape))
        return out

    def _heads(self, x: Tensor) -> Tensor:
        """[B, T, D] -> [B, H, T, D / H]."""
        b, t, d = x.shape
        return x.view(b, t, self.n_heads, d // self.n_heads).transpose(1, 2)
