"""Recurrence: when and how often a user came back to an item, known at any moment of the history.

State after each event is found once by a recursion over an item's returns; a query then only reads the
last event of each item and lets it age. Dims: E events, Q queries, P (query, item) pairs, F features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.interactions import SECONDS_PER_DAY, Interactions, Ints
from models.recommender import Floats

HALF_LIVES_DAYS = (7.0, 30.0, 90.0)
HALF_LIVES_BASKETS = (3.0, 10.0, 40.0)
FEATURES = (
    "log_count",
    *(f"log_decayed_count_{days:g}d" for days in HALF_LIVES_DAYS),
    *(f"log_decayed_count_{n:g}b" for n in HALF_LIVES_BASKETS),
    "log_days_since",
    "log_baskets_since",
    "log_mean_gap_days",
    "came_back",
    "days_since_over_mean_gap",
    "log_share_of_baskets",
    "log_baskets",
    "log_history_days",
)
_NEVER = np.iinfo(np.int64).max
_FLOOR = 1e-3  # of a decayed count, so that its logarithm stays finite


@dataclass(frozen=True, slots=True)
class Candidates:
    """What each query's user had before: P pairs sorted by query, then by position in the history.

    Attributes:
        query: int64 [P], in [0, Q).
        item: int64 [P]; distinct within a query.
        features: float32 [P, F], in the order of FEATURES.
    """

    query: Ints
    item: Ints
    features: Floats


def anybody_returns(events: Interactions) -> bool:
    """Whether any user has an item in two baskets.

    >>> anybody_returns(Interactions.from_histories([[1, 2, 1]], baskets=[[0, 0, 0]]))
    False
    >>> anybody_returns(Interactions.from_histories([[1, 2, 1]]))
    True
    """
    order = np.lexsort((events.basket, events.item, events.user))
    user, item, basket = events.user[order], events.item[order], events.basket[order]
    same = (user[1:] == user[:-1]) & (item[1:] == item[:-1])
    return bool((same & (basket[1:] != basket[:-1])).any())


class Recurrence:
    """Answers, for any prefix of any history: which items, how often, how recently, how regularly."""

    def __init__(self, events: Interactions) -> None:
        self.events = events
        user = events.user
        order = np.lexsort((np.arange(len(events)), events.item, user))
        fresh = np.ones(len(events), dtype=bool)
        fresh[1:] = (user[order][1:] != user[order][:-1]) | (
            events.item[order][1:] != events.item[order][:-1]
        )
        start = np.flatnonzero(fresh)
        length = np.diff(np.append(start, len(events)))
        self._next = np.full(len(events), _NEVER)
        self._next[order[:-1][~fresh[1:]]] = order[1:][~fresh[1:]]
        self._first_time = np.empty(len(events), dtype=np.int64)
        self._first_time[order] = np.repeat(events.time[order[start]], length)
        self._count = np.empty(len(events), dtype=np.int64)
        self._count[order] = np.arange(len(events)) - np.repeat(start, length) + 1
        days = events.time[order] / SECONDS_PER_DAY
        scales = [(days, h) for h in HALF_LIVES_DAYS]
        scales += [(events.basket[order].astype(np.float64), h) for h in HALF_LIVES_BASKETS]
        self._decayed = np.empty((len(events), len(scales)))
        self._decayed[order] = np.stack([_decayed_counts(c, start, length, h) for c, h in scales], axis=1)

    def candidates(self, users: Ints, ends: Ints) -> Candidates:
        """Items before event `ends[q]` in the history of `users[q]`, with features as of the event before.

        Args:
            users: int64 [Q], rows of the events.
            ends: int64 [Q], flat event index; the history is offsets[user]:end. May be empty.
        """
        starts = self.events.offsets[users]
        lengths = ends - starts
        ahead = np.concatenate([[0], np.cumsum(lengths)])
        index = np.arange(ahead[-1]) + np.repeat(starts - ahead[:-1], lengths)
        query = np.repeat(np.arange(len(users)), lengths)
        newest = self._next[index] >= np.repeat(ends, lengths)
        query, index = query[newest], index[newest]
        last = np.maximum(ends - 1, 0)
        features = self._features(index, last[query], starts[query])
        return Candidates(query, self.events.item[index], features)

    def _features(self, index: Ints, now: Ints, first: Ints) -> Floats:
        """Features of the items' newest events `index` as of event `now`: float32 [P, F]."""
        time, basket = self.events.time, self.events.basket
        days = (time[now] - time[index]) / SECONDS_PER_DAY
        baskets = (basket[now] - basket[index]).astype(np.float64)
        count = self._count[index]
        gap = (time[index] - self._first_time[index]) / SECONDS_PER_DAY / np.maximum(count - 1, 1)
        n_baskets = basket[now] - basket[first] + 1.0
        aged = [days / h for h in HALF_LIVES_DAYS] + [baskets / h for h in HALF_LIVES_BASKETS]
        decayed = np.log(_FLOOR + self._decayed[index] * np.exp2(-np.stack(aged, axis=1)))
        came_back = count > 1
        columns = [
            np.log(count),
            *decayed.T,
            np.log1p(days),
            np.log1p(baskets),
            np.log1p(gap),
            came_back,
            np.minimum(days / np.maximum(gap, 1.0), 10.0) * came_back,
            np.log(count / n_baskets),
            np.log(n_baskets),
            np.log1p((time[now] - time[first]) / SECONDS_PER_DAY),
        ]
        return np.stack(columns, axis=1).astype(np.float32)


def _decayed_counts(
    clock: NDArray[np.float64], start: Ints, length: Ints, half_life: float
) -> NDArray[np.float64]:
    """Sum over the returns so far, each halved per `half_life`: float64 [E], runs given by start, length."""
    total = np.ones(len(clock))
    for nth in range(1, int(length.max(initial=1))):
        here = start[length > nth] + nth
        total[here] += total[here - 1] * np.exp2((clock[here - 1] - clock[here]) / half_life)
    return total
