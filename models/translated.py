"""Translated: a recommender of another catalogue, asked and answering in the ids of this one.

Lets a champion that was trained on an older catalogue be scored on today's users. Items that it does not know
are left out of the histories; items that are gone are left out of its lists.
"""

from typing import ClassVar

import numpy as np

from data.catalogue import Catalogue
from data.interactions import Interactions
from models.bundle import Bundle
from models.recommender import NO_ITEM, Arrays, Config, Mask, Recommendations


class Translated:
    """`bundle.recommender` behind the ids of `catalogue`."""

    family: ClassVar[str] = "translated"

    def __init__(self, bundle: Bundle, catalogue: Catalogue) -> None:
        self.inner = bundle.recommender
        self.config: Config = bundle.recommender.config
        self.there = bundle.catalogue.ids(catalogue.keys)
        self.here = catalogue.ids(bundle.catalogue.keys)

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        """See `Recommender.recommend`; ids are those of the outer catalogue."""
        known = histories.where(self.there[histories.item] >= 0)
        inner = Interactions(self.there[known.item], known.time, known.basket, known.offsets)
        shared = self.here >= 0
        mask = shared if allowed is None else shared & allowed[..., np.maximum(self.here, 0)]
        top = self.inner.recommend(inner, k, allowed=mask)
        items = np.where(top.items == NO_ITEM, NO_ITEM, self.here[np.maximum(top.items, 0)])
        return Recommendations(items, top.scores)

    def state(self) -> Arrays:
        """The inner model's."""
        return self.inner.state()
