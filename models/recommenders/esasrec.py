"""eSASRec: SASRec with gated blocks and a sampled softmax.

Tikhonovich et al. 2025, arXiv:2508.06450: of the parts published since SASRec, LiGR blocks and a softmax
over 256 sampled negatives add up. Departures: the positions of a row share their negatives (`negative_draws`
a batch; the paper draws for each position), and a negative that is the target does not count.
"""

from typing import ClassVar, Literal

from pydantic import Field

from models.recommenders.sasrec import SASRec, ShortHistoryConfig
from models.sequence.blocks import GatedBlock
from models.sequence.mixers.attention import CausalAttention
from models.sequence.trunk import Trunk


class ESASRecConfig(ShortHistoryConfig):
    """Sizes and training of the recipe."""

    d_model: int = Field(default=128, ge=8, description="D.")
    loss: Literal["softmax", "bce", "sampled"] = "sampled"
    negative_draws: int = Field(default=128, ge=1, description="Draws of negatives a batch.")

    def trunk(self) -> Trunk:
        """Attention in gated blocks."""
        return Trunk(
            lambda: CausalAttention(self.d_model, self.n_heads, distance_bias=False),
            n_blocks=self.n_blocks,
            d_model=self.d_model,
            dropout=self.dropout,
            block=GatedBlock,
        )


class ESASRec(SASRec):
    """The recommender; all but the trunk is SASRec's."""

    family: ClassVar[str] = "esasrec"
