"""Interactions: who touched which item, when and in which basket; ragged, never padded.

The one in-memory form of events: training data and the histories of a request are both `Interactions`.
Knows dense ids only; keys live in `catalogue.py`. Dims: E events, U users (rows), I items.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Interactions:
    """E events of U users in canonical order: (user, time, position), oldest first.

    Attributes:
        item: int64 [E], dense ids in [0, I).
        time: int64 [E], Unix seconds UTC, non-decreasing within a user.
        basket: int64 [E], ordinal of the event's basket within its user, 0-based and non-decreasing;
            events of one basket share it. Where a source has no baskets each event is its own.
        offsets: int64 [U + 1]; user u owns events offsets[u]:offsets[u + 1]. Empty histories are legal.
    """

    item: Ints
    time: Ints
    basket: Ints
    offsets: Ints

    @classmethod
    def from_histories(
        cls,
        items: Sequence[Sequence[int]],
        times: Sequence[Sequence[int]] | None = None,
        baskets: Sequence[Sequence[int]] | None = None,
    ) -> Self:
        """Build from one list per user, oldest first.

        Args:
            items: dense item ids of each user.
            times: Unix seconds; without it every event is one second after the one before.
            baskets: basket ordinals; without it each event is its own basket.
        """
        lengths = np.array([len(row) for row in items], dtype=np.int64)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        ordinal = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return cls(
            item=_flat(items),
            time=ordinal if times is None else _flat(times),
            basket=ordinal if baskets is None else _flat(baskets),
            offsets=offsets,
        )

    def __len__(self) -> int:
        """Number of events E."""
        return len(self.item)

    @property
    def n_users(self) -> int:
        """Number of rows U, users with an empty history included."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Ints:
        """Events of each user: int64 [U]."""
        return np.diff(self.offsets)

    @property
    def user(self) -> Ints:
        """Row of each event: int64 [E]."""
        return np.repeat(np.arange(self.n_users), self.lengths)

    def history(self, user: int) -> Ints:
        """Items of one user, oldest first: int64 [T]."""
        return self.item[self.offsets[user] : self.offsets[user + 1]]

    def select(self, users: Ints) -> Self:
        """The histories of `users` (rows, any order, repeats allowed) as rows 0..len(users)-1."""
        lengths = self.lengths[users]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        index = np.arange(offsets[-1]) + np.repeat(self.offsets[users] - offsets[:-1], lengths)
        return type(self)(self.item[index], self.time[index], self.basket[index], offsets)

    def last(self, n: int) -> Self:
        """At most the newest `n` events of each user; basket ordinals are kept."""
        lengths = np.minimum(self.lengths, n)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        index = np.arange(offsets[-1]) + np.repeat(self.offsets[1:] - offsets[1:], lengths)
        return type(self)(self.item[index], self.time[index], self.basket[index], offsets)

    def where(self, keep: NDArray[np.bool_]) -> Self:
        """Only the events where `keep` (bool [E]) is true; every user keeps a row."""
        kept_before = np.concatenate([[0], np.cumsum(keep)])
        return type(self)(self.item[keep], self.time[keep], self.basket[keep], kept_before[self.offsets])

    def before(self, cutoff: int) -> Self:
        """Events strictly before `cutoff` (Unix seconds)."""
        return self.where(self.time < cutoff)

    def ages_in_days(self) -> NDArray[np.float64]:
        """Days from each event to its user's newest event: float64 [E], zero for the newest."""
        newest = np.zeros(self.n_users, dtype=np.int64)
        filled = self.lengths > 0
        newest[filled] = self.time[self.offsets[1:][filled] - 1]
        return (np.repeat(newest, self.lengths) - self.time) / SECONDS_PER_DAY


def _flat(rows: Sequence[Sequence[int]]) -> Ints:
    return np.array([value for row in rows for value in row], dtype=np.int64)
