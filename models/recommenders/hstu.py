"""HSTU: gated pointwise attention that knows how long ago everything was, scored by cosine.

Zhai et al. 2024, arXiv:2402.17152, sections 3.2 and 4.1: layers without softmax or feed-forward network,
biased by relative position and time, trained by a softmax over sampled negatives on normalised vectors. It is
not told when it is asked (`mixers/gated_pointwise.py`), which the published runs are.
"""

from typing import ClassVar, Literal

from pydantic import Field

from models.recommenders.sasrec import SASRec, ShortHistoryConfig
from models.sequence.blocks import BareBlock
from models.sequence.mixers.gated_pointwise import GatedPointwise
from models.sequence.trunk import Trunk


class HSTUConfig(ShortHistoryConfig):
    """Sizes and training of the recipe."""

    n_blocks: int = Field(default=2, ge=1)
    n_heads: int = Field(default=2, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)
    loss: Literal["softmax", "bce", "sampled"] = "sampled"
    n_negatives: int = Field(default=512, ge=1, description="Of the sampled loss.")
    negative_draws: int = Field(default=128, ge=1, description="Draws of negatives a batch.")
    temperature: float | None = Field(
        default=0.05, gt=0, description="Scores are cosines divided by it; None for dot products."
    )

    def trunk(self) -> Trunk:
        """Gated pointwise attention, each mixer a whole layer."""
        return Trunk(
            lambda: GatedPointwise(
                self.d_model, self.n_heads, n_positions=self.max_length + 1, dropout=self.dropout
            ),
            n_blocks=self.n_blocks,
            d_model=self.d_model,
            dropout=self.dropout,
            block=BareBlock,
        )


class HSTU(SASRec):
    """The recommender; all but the trunk is SASRec's."""

    family: ClassVar[str] = "hstu"
