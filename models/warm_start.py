"""Warm start: a model that serves goes on learning, on later data and with the items that came since.

Knows which family can do it and how far; not when it should (`flows/tasks/warm_start.py`).
"""

from pathlib import Path
from typing import Literal

from pydantic import Field

from data.interactions import Ints
from models.families import FAMILIES
from models.fitting import Fitted
from models.recommender import Config, FitData, Recommender, Watcher


class WarmConfig(Config):
    """What the champion's family starts from when it is trained again."""

    start: Literal["cold", "compare", "warm"] = Field(
        default="cold",
        description="cold: random weights. warm: the champion's weights, with its settings. compare: both, "
        "side by side; the cold one is the challenger.",
    )
    epochs: int = Field(default=1, ge=1, description="Epochs from the champion's weights on.")
    rate_share: float = Field(default=0.5, gt=0, le=1, description="Of the family's peak learning rate.")
    max_in_a_row: int = Field(
        default=7, ge=1, description="Champions of warm starts in a row; the next one starts cold."
    )


def can_go_on(family: str) -> bool:
    """Whether models of this family can go on from weights that serve."""
    return hasattr(FAMILIES[family].recommender, "go_on")


def go_on(
    champion: Recommender,
    data: FitData,
    then: Ints,
    config: WarmConfig,
    *,
    seed: int,
    watch: Watcher | None = None,
    checkpoint: Path | None = None,
) -> Fitted:
    """Train `champion` further; it keeps its settings.

    Args:
        champion: the model that serves.
        data: what it may learn from now; items that it knows must have the codes that it knows.
        then: int64 [I], the champion's id of each item, -1 for one that it does not know.
        config: how far to go.
        seed: of shuffling and dropout, and of the rows of new items.
        watch: called after each epoch.
        checkpoint: file to resume from and to keep.

    Raises:
        ValueError: its family cannot go on, or the codes are others.
    """
    if not can_go_on(champion.family):
        able = ", ".join(name for name in FAMILIES if can_go_on(name))
        raise ValueError(f"A warm start needs one of the families {able}, but got {champion.family}.")
    recommender, trained = FAMILIES[champion.family].recommender.go_on(
        champion,
        data,
        then,
        epochs=config.epochs,
        rate_share=config.rate_share,
        seed=seed,
        watch=watch,
        checkpoint=checkpoint,
    )
    return Fitted(recommender, trained.epochs, trained.history, {})
