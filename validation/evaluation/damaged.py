"""Damaged: a recommender whose items have swapped places, which any gate must refuse.

For a generative model this is what shuffled semantic IDs do: every path of the code tree ends in the item of
another. Dims: B histories, I items.
"""

from typing import ClassVar

import numpy as np

from data.interactions import Interactions
from models.recommender import NO_ITEM, Arrays, Config, Mask, Recommendations, Recommender


class Damaged:
    """Answers of `inner` with every item replaced by another; lists keep their lengths, scores and masks."""

    family: ClassVar[str] = "damaged"

    def __init__(self, inner: Recommender, n_items: int, seed: int) -> None:
        self.inner = inner
        self.config: Config = inner.config
        self.instead = np.random.default_rng(seed).permutation(n_items)

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        """See `Recommender.recommend`."""
        mask = None if allowed is None else allowed[..., self.instead]
        lists = self.inner.recommend(histories, k, allowed=mask)
        items = np.where(lists.items == NO_ITEM, NO_ITEM, self.instead[np.maximum(lists.items, 0)])
        return Recommendations(items, lists.scores)

    def state(self) -> Arrays:
        """The inner model's; a damaged model is never stored."""
        return self.inner.state()
