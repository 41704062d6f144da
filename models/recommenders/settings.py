"""Settings: what all recipes that are trained have in common, and those over rows besides."""

from typing import Literal

import torch
from pydantic import Field

from data.interactions import Interactions
from models.learning.training import TrainConfig
from models.recommender import Config
from models.sequence.rows import RowBatches


class LearnedConfig(Config):
    """How weights are found; a recipe adds its sizes and may have other defaults."""

    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    epochs: int = Field(default=20, ge=1)
    patience: int = Field(default=3, ge=1)
    device: str = Field(
        default="cpu",
        pattern=r"^[a-z]+(:\d+)?$",
        description="Where weights are trained: cpu, or a GPU such as cuda or cuda:1; the bits depend on it. "
        "What answers runs on the CPU.",
    )

    def training(self) -> TrainConfig:
        """Settings of the fit loop."""
        return TrainConfig(
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
            device=self.device,
        )


class CatalogueLossConfig(LearnedConfig):
    """Of a recipe whose loss multiplies with the vectors of all items."""

    loss_precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="Of the products with all items in the loss; bfloat16 is faster where the "
        "processor or GPU multiplies it, and the bits differ.",
    )

    def loss_dtype(self) -> torch.dtype | None:
        """As `full_softmax` wants it."""
        return torch.bfloat16 if self.loss_precision == "bfloat16" else None


class TrainedConfig(LearnedConfig):
    """Sizes of a recipe over rows."""

    d_model: int = Field(default=128, ge=8, description="D.")
    n_blocks: int = Field(default=2, ge=1, description="Blocks that read the history.")
    n_heads: int = Field(default=4, ge=1)
    dropout: float = Field(default=0.15, ge=0, lt=1)
    max_length: int = Field(default=50, ge=2, description="T, newest events the model sees.")
    queries_per_row: int | None = Field(
        default=None, ge=1, description="Baskets predicted per row and epoch, None for all."
    )
    batch_rows: int = Field(default=64, ge=1)

    def batches(self, events: Interactions, n_items: int, *, with_pairs: bool = False) -> RowBatches:
        """Training events over I = `n_items` items as rows; arguments as in `RowBatches`."""
        return RowBatches(
            events,
            n_items,
            max_length=self.max_length,
            batch_rows=self.batch_rows,
            queries_per_row=self.queries_per_row,
            with_pairs=with_pairs,
        )
