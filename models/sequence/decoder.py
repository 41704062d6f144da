"""Decoder: a causal stack that learns from whole sequences and, when it answers, grows them token by token.

With a memory each block also looks things up between attention and network (Vaswani et al. 2017,
arXiv:1706.03762, section 3.1; norms come first). Dims: B rows, S positions, Q queries, W branches, D model
size.
"""

from typing import cast

import torch
from torch import Tensor, nn

from models.sequence.blocks import position_wise
from models.sequence.cross_attention import CrossAttention, Memory
from models.sequence.dropout import Dropout
from models.sequence.mixers.branching import BranchingAttention, Remembered


class DecoderBlock(nn.Module):
    """x + self-attention, x + cross-attention where there is a memory, x + network; norms before each."""

    def __init__(self, d_model: int, n_heads: int, dropout: float, *, cross: bool) -> None:
        super().__init__()
        self.norm_attention, self.norm_network = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.attention = BranchingAttention(d_model, n_heads)
        self.norm_cross = nn.LayerNorm(d_model) if cross else None
        self.cross = CrossAttention(d_model, n_heads) if cross else None
        self.network = position_wise(d_model, dropout)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, memory: Memory | None) -> Tensor:
        """[B, S, D] -> [B, S, D]."""
        return self._after(x + self.drop(self.attention(self.norm_attention(x))), memory)

    def at(self, x: Tensor, place: Tensor, memory: Memory | None) -> Tensor:
        """Row b of `forward` at position place[b] alone: [B, S, D], int64 [B] -> [B, D]."""
        here = x[torch.arange(len(x), device=x.device), place]
        mixed = self.attention.at(self.norm_attention(x), place)
        return self._after((here + self.drop(mixed))[:, None], memory)[:, 0]

    def remember(self, x: Tensor) -> Remembered:
        """What later tokens need of the positions of `x`."""
        return self.attention.remember(self.norm_attention(x))

    def grow(
        self,
        x: Tensor,
        memory: Memory | None,
        stem: Remembered,
        real: Tensor,
        grown: Remembered | None,
        source: Tensor,
    ) -> tuple[Tensor, Remembered]:
        """`forward` for one more token a branch, see `BranchingAttention.grow`."""
        mixed, now = self.attention.grow(self.norm_attention(x), stem, real, grown, source)
        return self._after(x + self.drop(mixed), memory), now

    def _after(self, x: Tensor, memory: Memory | None) -> Tensor:
        """Cross-attention and network."""
        if self.cross is not None and self.norm_cross is not None and memory is not None:
            x = x + self.drop(self.cross(self.norm_cross(x), memory))
        out: Tensor = x + self.drop(self.network(self.norm_network(x)))
        return out


class Decoder(nn.Module):
    """`n_blocks` blocks and a last norm."""

    def __init__(
        self, *, n_blocks: int, d_model: int, n_heads: int, dropout: float, cross: bool = False
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            DecoderBlock(d_model, n_heads, dropout, cross=cross) for _ in range(n_blocks)
        )
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        """[B, S, D] -> [B, S, D], position s seeing 0..s."""
        for block in self.blocks:
            x = block(x, memory)
        out: Tensor = self.norm(x)
        return out


class Branches:
    """Sequences that go on in several ways; `decoder` read once what they share."""

    def __init__(self, decoder: Decoder, x: Tensor, last: Tensor, memory: Memory | None = None) -> None:
        """Read the stems.

        Args:
            decoder: of the weights.
            x: [Q, S, D], inputs.
            last: int64 [Q], the last real position of each.
            memory: of Q rows, for a decoder with cross-attention.
        """
        self.decoder, self.memory = decoder, memory
        self.real = torch.arange(x.shape[1], device=x.device) <= last[:, None]
        self.stems: list[Remembered] = []
        *lower, highest = self._blocks
        for block in lower:
            self.stems.append(block.remember(x))
            x = block(x, memory)
        self.stems.append(highest.remember(x))
        self.hidden: Tensor = decoder.norm(highest.at(x, last, memory))
        self.grown: list[Remembered | None] = [None] * len(self.stems)

    @property
    def _blocks(self) -> list[DecoderBlock]:
        return [cast(DecoderBlock, block) for block in self.decoder.blocks]

    def grow(self, x: Tensor, source: Tensor) -> Tensor:
        """State after one more token on each branch.

        Args:
            x: [Q, W, D], inputs of the new tokens.
            source: int64 [Q, W], the branch before that each goes on from; ignored for the first tokens.

        Returns:
            [Q, W, D].
        """
        for place, block in enumerate(self._blocks):
            stem, grown = self.stems[place], self.grown[place]
            x, self.grown[place] = block.grow(x, self.memory, stem, self.real, grown, source)
        out: Tensor = self.decoder.norm(x)
        return out
