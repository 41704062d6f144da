"""Settings: the sizes and the training that recipes over rows have in common."""

from pydantic import Field

from data.interactions import Interactions
from models.recommender import Config
from models.sequence.rows import RowBatches
from models.training import TrainConfig


class TrainedConfig(Config):
    """A recipe adds its own settings and may have other defaults."""

    d_model: int = Field(default=128, ge=8, description="D.")
    n_blocks: int = Field(default=2, ge=1, description="Blocks that read the history.")
    n_heads: int = Field(default=4, ge=1)
    dropout: float = Field(default=0.15, ge=0, lt=1)
    max_length: int = Field(default=50, ge=2, description="T, newest events the model sees.")
    queries_per_row: int | None = Field(
        default=None, ge=1, description="Baskets predicted per row and epoch, None for all."
    )
    batch_rows: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)
    epochs: int = Field(default=20, ge=1)
    patience: int = Field(default=3, ge=1)

    def training(self) -> TrainConfig:
        """Settings of the fit loop."""
        return TrainConfig(
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
        )

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
