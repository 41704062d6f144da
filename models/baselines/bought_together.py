"""Bought together: what shared a basket with the items of a basket.

Similarity by conditional probability (Deshpande and Karypis 2004, ACM TOIS 22(1), section 4.1.2): shared
baskets / (baskets of the one * baskets of the other ** alpha). Rows of the item-item matrix are counted when
they are asked for, from two ragged tables, so nothing of size I x I is built. Dims: E events, B baskets,
I items.
"""

from copy import copy

import numpy as np

from data.interactions import Interactions, Ints
from models.recommender import Floats

ALPHA = 0.2  # how much less a popular item counts; chosen on November, see benchmarks/baskets.py


class BoughtTogether:
    """Counts over the baskets of `histories`; an item twice in a basket counts once.

    Args:
        histories: all of whose baskets count.
        n_items: I.
        alpha: 0 counts a popular item in full, 1 divides by its baskets.
    """

    def __init__(self, histories: Interactions, n_items: int, alpha: float = ALPHA) -> None:
        self._n_items, self._alpha = n_items, alpha
        basket, item = _distinct(_ordinals(histories), histories.item, n_items)
        self._items = item  # by basket
        self._items_from = _offsets(basket, int(basket[-1]) + 1 if len(basket) else 0)
        order = np.argsort(item, kind="stable")
        self._baskets = basket[order]  # by item
        self._baskets_from = _offsets(item[order], n_items)

    def padded(self, n_items: int) -> "BoughtTogether":
        """The same counts over more items, which share no basket with any."""
        grown = copy(self)
        grown._n_items = n_items
        more = np.full(n_items - self._n_items, self._baskets_from[-1])
        grown._baskets_from = np.concatenate([self._baskets_from, more])
        return grown

    def scores(self, basket: Ints) -> Floats:
        """How well each item goes with a basket: float32 [I], 0 for what never shared one.

        The sum, over the basket's distinct items, of the similarity.
        """
        total = np.zeros(self._n_items)
        for item in np.unique(basket):
            rows = self._baskets[self._baskets_from[item] : self._baskets_from[item + 1]]
            if len(rows):
                total += np.bincount(self._in_baskets(rows), minlength=self._n_items) / len(rows)
        n_baskets = np.maximum(np.diff(self._baskets_from), 1)
        return (total / n_baskets**self._alpha).astype(np.float32)

    def _in_baskets(self, baskets: Ints) -> Ints:
        """Items of several baskets, one after the other."""
        begin = self._items_from[baskets]
        lengths = self._items_from[baskets + 1] - begin
        ahead = np.cumsum(lengths) - lengths
        found: Ints = self._items[np.arange(lengths.sum()) + np.repeat(begin - ahead, lengths)]
        return found


def _ordinals(histories: Interactions) -> Ints:
    """The number of each event's basket among all users' baskets: int64 [E]."""
    starts = np.ones(len(histories), dtype=bool)
    starts[1:] = np.diff(histories.basket) != 0
    starts[histories.offsets[:-1][histories.lengths > 0]] = True
    return np.cumsum(starts) - 1


def _distinct(basket: Ints, item: Ints, n_items: int) -> tuple[Ints, Ints]:
    """Pairs without those that come twice, by basket, then item."""
    pairs = np.unique(basket * n_items + item)
    return pairs // n_items, pairs % n_items


def _offsets(ascending: Ints, n: int) -> Ints:
    return np.searchsorted(ascending, np.arange(n + 1))
