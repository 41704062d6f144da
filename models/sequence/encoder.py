"""Encoder: a stack of bidirectional blocks; every position sees all others of its row, pads excepted.

Dims: B rows, S positions, D model size.
"""

from torch import Tensor, nn

from models.sequence.blocks import position_wise
from models.sequence.cross_attention import CrossAttention, Memory
from models.sequence.dropout import Dropout


class EncoderBlock(nn.Module):
    """x + attention(norm(x)) over the row itself, then x + network(norm(x))."""

    def __init__(self, d_model: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.norm_attention, self.norm_network = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.attention = CrossAttention(d_model, n_heads)
        self.network = position_wise(d_model, dropout)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        """[B, S, D], bool [B, S] -> [B, S, D]."""
        normed = self.norm_attention(x)
        x = x + self.drop(self.attention(normed, Memory(normed, real)))
        out: Tensor = x + self.drop(self.network(self.norm_network(x)))
        return out


class Encoder(nn.Module):
    """`n_blocks` blocks and a last norm."""

    def __init__(self, *, n_blocks: int, d_model: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(EncoderBlock(d_model, n_heads, dropout) for _ in range(n_blocks))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, real: Tensor) -> Memory:
        """[B, S, D], bool [B, S] -> a memory of the same positions; what stands at pads means nothing."""
        for block in self.blocks:
            x = block(x, real)
        return Memory(self.norm(x), real)
