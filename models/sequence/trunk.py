"""Trunk: a stack of blocks around mixers, and a last norm."""

from collections.abc import Callable
from typing import Protocol, cast

from torch import Tensor, nn

from models.sequence.blocks import Mixer, PreNormBlock


class Block(Protocol):
    """A layer of a trunk: a mixer and what is around it (`blocks.py`)."""

    def __call__(self, x: Tensor, day: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D]."""
        ...

    def at(self, x: Tensor, place: Tensor, day: Tensor | None = None) -> Tensor:
        """[B, T, D], int64 [B] -> [B, D]."""
        ...


class Trunk(nn.Module):
    """`n_blocks` blocks of one style and a last norm; causal if its mixers are."""

    def __init__(
        self,
        make_mixer: Callable[[], Mixer],
        *,
        n_blocks: int,
        d_model: int,
        dropout: float,
        block: Callable[[Mixer, int, float], Block] = PreNormBlock,
    ) -> None:
        super().__init__()
        blocks = (block(make_mixer(), d_model, dropout) for _ in range(n_blocks))
        self.blocks = nn.ModuleList(cast(nn.Module, each) for each in blocks)
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, day: Tensor | None = None) -> Tensor:
        """[B, T, D], and float [B, T] for mixers with a clock -> [B, T, D]."""
        for block in self.blocks:
            x = block(x, day)
        out: Tensor = self.norm(x)
        return out

    def at(self, x: Tensor, place: Tensor, day: Tensor | None = None) -> Tensor:
        """`forward` at one position a row, as an answer needs it: [B, T, D], int64 [B] -> [B, D]."""
        for block in self.blocks[:-1]:
            x = block(x, day)
        last = cast(Block, self.blocks[-1])
        out: Tensor = self.norm(last.at(x, place, day))
        return out
