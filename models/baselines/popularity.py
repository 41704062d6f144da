"""Popularity: the same list for everyone, newest events counting most."""

from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from data.interactions import SECONDS_PER_DAY, Interactions
from models.recommender import Arrays, Config, FitData, Floats, Mask, Recommendations, top_k


class PopularityConfig(Config):
    """How fast an event is forgotten."""

    half_life_days: float = Field(default=90.0, gt=0, description="Age at which an event counts half.")


class Popularity:
    """Score of an item: its events, each halved every `half_life_days` before the newest event."""

    family: ClassVar[str] = "popularity"

    def __init__(self, config: PopularityConfig, counts: Floats) -> None:
        self.config = config
        self.counts = counts

    @classmethod
    def fit(cls, config: PopularityConfig, data: FitData) -> Self:
        """Count `data.events`."""
        return cls(config, recent_counts(data.events, data.n_items, config.half_life_days))

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        """See `Recommender.recommend`; the history is not used."""
        everyone = np.broadcast_to(self.counts, (histories.n_users, len(self.counts)))
        return top_k(everyone, k, allowed)

    def with_uncounted(self, n_new: int) -> Self:
        """See `extension.extended`: new items come last."""
        return type(self)(self.config, np.pad(self.counts, (0, n_new)))

    def state(self) -> Arrays:
        """See `Recommender.state`."""
        return {"counts": self.counts}

    @classmethod
    def from_state(cls, config: PopularityConfig, state: Arrays) -> Self:
        """See `Recommender.from_state`."""
        return cls(config, state["counts"])


def recent_counts(events: Interactions, n_items: int, half_life_days: float) -> Floats:
    """Events of each item, each halved every `half_life_days` before the newest: float32 [n_items]."""
    age = (events.time.max(initial=0) - events.time) / SECONDS_PER_DAY
    weight = np.exp2(-age / half_life_days)
    return np.bincount(events.item, weights=weight, minlength=n_items).astype(np.float32)
