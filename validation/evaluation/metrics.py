"""Metrics: how good a ranked list is, one number per query, from item ids alone.

Knows no model and no window. Every function takes ranked lists and ragged targets and returns float64 [Q];
means and intervals are taken later (`report.py`), so that two models can be compared user by user.
Dims: Q queries, k list length, I items.
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from data.interactions import Ints
from models.recommender import NO_ITEM

Scores = NDArray[np.float64]
Hits = NDArray[np.bool_]
Cell = TypeVar("Cell", np.int64, np.bool_)
RankedMetric = Callable[[Ints, Ints, Ints, int], Scores]


def hits_of(items: Ints, target: Ints, offsets: Ints) -> Hits:
    """Whether each listed item is a target of its query: bool [Q, width].

    NO_ITEM in a list is never a hit, and neither is a COLD target (both are -1).

    Args:
        items: int64 [Q, width], ranked dense ids, best first; NO_ITEM fills short lists.
        target: int64, all targets one query after the other, distinct within a query; COLD for an item
            that is not in the catalogue.
        offsets: int64 [Q + 1]; query q owns target[offsets[q]:offsets[q + 1]], never empty.

    Raises:
        ValueError: shapes do not fit, a query has no target, or a list holds an item twice.

    >>> hits_of(np.array([[4, 7, -1]]), np.array([7, -1]), np.array([0, 2])).tolist()
    [[False, True, False]]
    """
    _refuse_misfits(items, target, offsets)
    query = np.arange(len(items))
    stride = max(items.max(initial=0), target.max(initial=0)) + 1
    wanted = (np.repeat(query, np.diff(offsets)) * stride + target)[target >= 0]
    hits: Hits = np.isin(query[:, None] * stride + items, wanted) & (items != NO_ITEM)
    return hits


def recall_at_k(items: Ints, target: Ints, offsets: Ints, k: int) -> Scores:
    """Recall@k = hits among the first k / min(k, target size); float64 [Q].

    Dividing by min(k, size) lets a perfect list reach 1 when there are more targets than places. Cold
    targets stay in the size: they cannot be hit, and hiding them would flatter every model.

    >>> recall_at_k(np.array([[4, 7, 9]]), np.array([7, 9, -1]), np.array([0, 3]), 2).tolist()
    [0.5]
    """
    hits = _first(hits_of(items, target, offsets), k)
    recall: Scores = hits.sum(axis=1) / np.minimum(k, np.diff(offsets))
    return recall


def ndcg_at_k(items: Ints, target: Ints, offsets: Ints, k: int) -> Scores:
    """NDCG@k with binary gains; float64 [Q].

    DCG = sum over hits of 1 / log2(rank + 2), rank 0-based; the ideal list has min(k, target size) hits in
    front (Järvelin and Kekäläinen, 2002, with the log2 discount in use today).

    >>> ndcg_at_k(np.array([[4, 7]]), np.array([7]), np.array([0, 1]), 2).round(4).tolist()
    [0.6309]
    """
    hits = _first(hits_of(items, target, offsets), k)
    discount = 1 / np.log2(np.arange(k) + 2)
    ideal = np.cumsum(discount)[np.minimum(k, np.diff(offsets)) - 1]
    return np.asarray((hits * discount).sum(axis=1) / ideal, dtype=np.float64)


def hit_at_k(items: Ints, target: Ints, offsets: Ints, k: int) -> Scores:
    """1.0 where one of the first k items is a target, else 0.0; float64 [Q].

    >>> hit_at_k(np.array([[4, 7], [1, 2]]), np.array([7, 3]), np.array([0, 1, 2]), 2).tolist()
    [1.0, 0.0]
    """
    hits = _first(hits_of(items, target, offsets), k)
    return np.asarray(hits.any(axis=1), dtype=np.float64)


def reciprocal_rank_at_k(items: Ints, target: Ints, offsets: Ints, k: int) -> Scores:
    """1 / (1 + rank of the first hit among k), 0 without a hit; float64 [Q]. Its mean is MRR@k.

    >>> reciprocal_rank_at_k(np.array([[4, 7]]), np.array([7]), np.array([0, 1]), 2).tolist()
    [0.5]
    """
    hits = _first(hits_of(items, target, offsets), k)
    return np.asarray(hits.any(axis=1) / (1 + hits.argmax(axis=1)), dtype=np.float64)


RANKED: dict[str, RankedMetric] = {
    "recall": recall_at_k,
    "ndcg": ndcg_at_k,
    "hit": hit_at_k,
    "mrr": reciprocal_rank_at_k,
}


def coverage_at_k(items: Ints, n_items: int, k: int) -> float:
    """Share of the catalogue that is among the first k items of any list, in [0, 1].

    >>> coverage_at_k(np.array([[0, 1], [0, -1]]), n_items=4, k=2)
    0.5
    """
    shown = np.unique(_first(items, k))
    return float((shown != NO_ITEM).sum() / n_items)


def novelty_at_k(items: Ints, counts: Ints, k: int) -> Scores:
    """Mean popularity rank of the first k items, 0 = the most popular, 1 = the least; float64 [Q].

    Items with equal counts share their mean rank. A list without items gets 0: nothing shown, nothing new.

    Args:
        items: int64 [Q, width], ranked dense ids.
        counts: int64 [I], training events of each item.
        k: how many of each list to look at.

    >>> novelty_at_k(np.array([[0, 2]]), np.array([9, 5, 1]), 2).tolist()
    [0.5]
    """
    rank = _popularity_rank(counts) / max(len(counts) - 1, 1)
    first = _first(items, k)
    listed = first != NO_ITEM
    total = (rank[np.where(listed, first, 0)] * listed).sum(axis=1)
    return np.asarray(total / np.maximum(listed.sum(axis=1), 1), dtype=np.float64)


def _popularity_rank(counts: Ints) -> Scores:
    """0-based rank by falling count, ties sharing their mean: float64 [I]."""
    _, group, size = np.unique(-counts, return_inverse=True, return_counts=True)
    last = np.cumsum(size)
    return np.asarray((last - (size + 1) / 2)[group], dtype=np.float64)


def _first(lists: NDArray[Cell], k: int) -> NDArray[Cell]:
    if not 1 <= k <= lists.shape[1]:
        raise ValueError(
            f"k must lie in [1, {lists.shape[1]}], the list length, but got {k}: ask for longer lists."
        )
    return lists[:, :k]


def _refuse_misfits(items: Ints, target: Ints, offsets: Ints) -> None:
    if items.ndim != 2 or len(offsets) != len(items) + 1 or offsets[-1] != len(target):
        raise ValueError(
            f"items [Q, k], offsets [Q + 1] and target [offsets[-1]] must fit, but got {items.shape}, "
            f"{offsets.shape} and {target.shape}: pass one window's queries and targets."
        )
    if (empty := np.flatnonzero(np.diff(offsets) < 1)).size:
        raise ValueError(
            f"every query needs a target, but query {empty[0]} has none: drop it from the window."
        )
    ordered = np.sort(items, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != NO_ITEM)
    if twice.any():
        query = int(np.flatnonzero(twice.any(axis=1))[0])
        raise ValueError(f"a ranked list holds an item once, but list {query} repeats one: fix its decoder.")
