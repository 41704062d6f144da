"""Warm start: a model that serves goes on learning, on later data and with the items that came since.

Knows which family can do it; not when it should (`flows/retraining/start.py`).
"""

from pathlib import Path

from data.interactions import Ints
from models.families import FAMILIES
from models.fitting import Fitted
from models.recommender import FitData, Recommender, Watcher


def can_go_on(family: str) -> bool:
    """Whether models of this family can go on from weights that serve."""
    return hasattr(FAMILIES[family].recommender, "go_on")


def go_on(
    champion: Recommender,
    data: FitData,
    then: Ints,
    *,
    epochs: int,
    rate_share: float,
    seed: int,
    watch: Watcher | None = None,
    checkpoint: Path | None = None,
) -> Fitted:
    """Train `champion` further; it keeps its settings.

    Args:
        champion: the model that serves; it is left as it is.
        data: what may be learned now; an item that the champion knows must have the codes that it knows.
        then: int64 [I], the champion's id of each item, -1 for one that it does not know.
        epochs: how long; the learning rate rises and falls over them.
        rate_share: peak of the learning rate, as a share of the champion's, in (0, 1].
        seed: of shuffling and dropout, and of the rows of new items.
        watch: called after each epoch.
        checkpoint: file to resume from and to keep.

    Raises:
        ValueError: its family cannot go on, or the codes are others.
    """
    if not can_go_on(champion.family):
        able = ", ".join(name for name in FAMILIES if can_go_on(name))
        raise ValueError(
            f"A warm start needs one of the families {able}, but got {champion.family}: start cold."
        )
    recommender, trained = FAMILIES[champion.family].recommender.go_on(
        champion,
        data,
        then,
        epochs=epochs,
        rate_share=rate_share,
        seed=seed,
        watch=watch,
        checkpoint=checkpoint,
    )
    return Fitted(recommender, trained.epochs, trained.history, {})
