"""Repeats: what the user bought most, lately; popularity where the history has run out."""

from typing import ClassVar, Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from data.interactions import Interactions
from models.recommender import Arrays, Config, FitData, Floats, Mask, Recommendations, top_k


class RepeatsConfig(Config):
    """How fast an own purchase is forgotten."""

    half_life_days: float = Field(default=69.0, gt=0, description="Age at which it counts half.")


class Repeats:
    """Score of an item: the user's events of it, halved every `half_life_days`; ties by popularity."""

    family: ClassVar[str] = "repeats"

    def __init__(self, config: RepeatsConfig, popularity: Floats) -> None:
        self.config = config
        self.popularity = popularity

    @classmethod
    def fit(cls, config: RepeatsConfig, data: FitData) -> Self:
        """Count popularity; the repeats themselves are read off the history at answer time."""
        counts = np.bincount(data.events.item, minlength=data.n_items)
        return cls(config, (counts / max(1, counts.max(initial=0))).astype(np.float32))

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        """See `Recommender.recommend`."""
        weight = np.exp2(-histories.ages_in_days() / self.config.half_life_days)
        shape = (histories.n_users, len(self.popularity))
        own = sp.csr_matrix((weight, histories.item, histories.offsets), shape=shape).toarray()
        own += 1e-6 * self.popularity  # far below any event younger than 20 half-lives
        return top_k(own.astype(np.float32), k, allowed)

    def with_uncounted(self, n_new: int) -> Self:
        """See `extension.extended`: one that is in a history counts like any other."""
        return type(self)(self.config, np.pad(self.popularity, (0, n_new)))

    def state(self) -> Arrays:
        """See `Recommender.state`."""
        return {"popularity": self.popularity}

    @classmethod
    def from_state(cls, config: RepeatsConfig, state: Arrays) -> Self:
        """See `Recommender.from_state`."""
        return cls(config, state["popularity"])
