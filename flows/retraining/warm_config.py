"""Warm config: what the champion's family starts from when it is trained again."""

from typing import Literal

from pydantic import Field

from models.recommender import Config


class WarmConfig(Config):
    """How a retraining goes on from the weights that serve."""

    start: Literal["cold", "compare", "warm"] = Field(
        default="cold",
        description="cold: random weights. warm: the champion's weights, with its settings. compare: both "
        "are trained and shown side by side; the cold one is the challenger.",
    )
    epochs: int = Field(default=1, ge=1, description="Epochs from the champion's weights on.")
    rate_share: float = Field(default=0.5, gt=0, le=1, description="Of the family's peak learning rate.")
    max_in_a_row: int = Field(
        default=7, ge=1, description="Champions of warm starts in a row; the one after them starts cold."
    )
