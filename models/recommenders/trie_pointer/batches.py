"""Trie-pointer batches: histories laid out for the trunk, pairs for the pointer, targets for the loss.

Dims: B users, T positions, Q queries, P (query, item) pairs, F features, M targets.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from data.interactions import Interactions, Ints
from models.learning.data_parallel import Share
from models.sequence.baskets import BasketBatch, basket_batch, basket_starts, draw_baskets, items_of
from models.sequence.pairs import paired
from models.sequence.recurrence import Candidates, Recurrence


@dataclass(frozen=True, slots=True)
class Batch:
    """Histories laid out for the trunk, and what is asked about them.

    Attributes:
        baskets: B rows of T positions.
        cell: int64 [Q], row * T + position of each query.
        pair_query, pair_item: int64 [P], the pointer's pairs, ascending queries.
        pair_features: float [P, F].
        target_query, target_item: int64 [M]; empty when only scores are wanted.
        target_pair: int64 [M], the pair that is the target, -1 if the user never had it.
    """

    baskets: BasketBatch
    cell: Tensor
    pair_query: Tensor
    pair_item: Tensor
    pair_features: Tensor
    target_query: Tensor
    target_item: Tensor
    target_pair: Tensor


class TriePointerBatches:
    """Training examples: random users, of each a window of baskets, random positions within it."""

    def __init__(
        self,
        events: Interactions,
        *,
        n_items: int,
        max_baskets: int,
        queries_per_user: int,
        batch_users: int,
    ) -> None:
        self.events, self.n_items = events, n_items
        self.max_baskets, self.queries_per_user, self.batch_users = max_baskets, queries_per_user, batch_users
        self.recurrence = Recurrence(events)
        self.starts, self.first_basket = basket_starts(events)
        self.users = np.flatnonzero(np.diff(self.first_basket) >= 2)

    def __len__(self) -> int:
        """Steps per epoch."""
        return -(-len(self.users) // self.batch_users)

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """See `training.Batches`."""
        for users in self._in_turn(rng):
            yield self.batch(users, rng)

    def shares(self, rng: np.random.Generator, rank: int, size: int) -> Iterator[Share]:
        """See `data_parallel.Divisible`: every `size`-th user of a batch, with the draws of the whole one."""
        for users in self._in_turn(rng):
            yield self._share(self._draw(users, rng), rank, size)

    def batch(self, users: Ints, rng: np.random.Generator) -> Batch:
        """A window of at most `max_baskets` baskets ends just before the last one it predicts."""
        return self._laid_out(self._draw(users, rng))

    def _in_turn(self, rng: np.random.Generator) -> Iterator[Ints]:
        """Users of each batch of an epoch."""
        users = rng.permutation(self.users)
        for begin in range(0, len(users), self.batch_users):
            yield np.sort(users[begin : begin + self.batch_users])

    def _draw(self, users: Ints, rng: np.random.Generator) -> "_Drawn":
        """All that is random about a batch."""
        first, stop = self.first_basket[users], self.first_basket[users + 1]
        longest = self.max_baskets
        last = rng.integers(np.minimum(first + longest, stop - 1), stop)
        begin = np.maximum(first, last - longest)
        row, target = draw_baskets(begin, last, self.queries_per_user, rng)
        return _Drawn(users, begin, last, row, target)

    def _share(self, drawn: "_Drawn", rank: int, size: int) -> Share:
        """A rank without a user repeats the first one, weighing nothing."""
        rows = np.arange(len(drawn.users))[rank::size]
        part = drawn.of(rows if len(rows) else np.zeros(1, dtype=np.int64))
        whole = len(self._targets(drawn.target)[0])
        weight = size * len(self._targets(part.target)[0]) / whole if len(rows) else 0.0
        return Share(self._laid_out(part), weight)

    def _laid_out(self, drawn: "_Drawn") -> Batch:
        """Tensors of what was drawn."""
        begin, row, target = drawn.begin, drawn.row, drawn.target
        baskets = basket_batch(self.events, first_event=self.starts[begin], end_event=self.starts[drawn.last])
        pairs = self.recurrence.candidates(drawn.users[row], self.starts[target])
        cell = row * baskets.gap.shape[1] + (target - begin[row])
        return assemble(baskets, cell, pairs, *self._targets(target), self.n_items)

    def _targets(self, target: Ints) -> tuple[Ints, Ints]:
        """Query and item of everything in the baskets `target`, one per query."""
        return items_of(self.events, self.starts, target, self.n_items)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Users of a batch, the window of each, and the baskets to predict.

    Attributes:
        users: int64 [B], ascending.
        begin, last: int64 [B], first basket of the window and the newest that may be predicted.
        row, target: int64 [Q], row of each query, ascending, and its basket.
    """

    users: Ints
    begin: Ints
    last: Ints
    row: Ints
    target: Ints

    def of(self, rows: Ints) -> "_Drawn":
        """What was drawn for these rows, ascending."""
        own = np.isin(self.row, rows)
        row = np.searchsorted(rows, self.row[own])
        return _Drawn(self.users[rows], self.begin[rows], self.last[rows], row, self.target[own])


def assemble(
    baskets: BasketBatch, cell: Ints, pairs: Candidates, query: Ints, item: Ints, n_items: int
) -> Batch:
    """To tensors, finding each target among the pairs."""
    had = paired(pairs, query, item, n_items)
    return Batch(
        baskets,
        torch.from_numpy(cell),
        had.query,
        had.item,
        had.features,
        torch.from_numpy(query),
        torch.from_numpy(item),
        had.target,
    )
