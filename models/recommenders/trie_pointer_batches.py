"""Trie-pointer batches: histories laid out for the trunk, pairs for the pointer, targets for the loss.

Dims: B users, T positions, Q queries, P (query, item) pairs, F features, M targets.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from data.interactions import Interactions, Ints
from models.sequence.baskets import BasketBatch, basket_batch, basket_starts, draw_baskets, items_of
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
        users = rng.permutation(self.users)
        for begin in range(0, len(users), self.batch_users):
            yield self.batch(np.sort(users[begin : begin + self.batch_users]), rng)

    def batch(self, users: Ints, rng: np.random.Generator) -> Batch:
        """A window of at most `max_baskets` baskets ends just before the last one it predicts."""
        first, stop = self.first_basket[users], self.first_basket[users + 1]
        longest = self.max_baskets
        last = rng.integers(np.minimum(first + longest, stop - 1), stop)
        begin = np.maximum(first, last - longest)
        baskets = basket_batch(self.events, first_event=self.starts[begin], end_event=self.starts[last])
        width = baskets.gap.shape[1]
        row, target = draw_baskets(begin, last, self.queries_per_user, rng)
        pairs = self.recurrence.candidates(users[row], self.starts[target])
        cell = row * width + (target - begin[row])
        return self._with_targets(baskets, cell, pairs, target)

    def _with_targets(self, baskets: BasketBatch, cell: Ints, pairs: Candidates, target: Ints) -> Batch:
        """`target` is the basket to predict, one per query."""
        query, item = items_of(self.events, self.starts, target, self.n_items)
        return assemble(baskets, cell, pairs, query, item, self.n_items)


def assemble(
    baskets: BasketBatch, cell: Ints, pairs: Candidates, query: Ints, item: Ints, n_items: int
) -> Batch:
    """To tensors, finding each target among the pairs."""
    keys = pairs.query * n_items + pairs.item
    order = np.argsort(keys)
    place = np.searchsorted(keys, query * n_items + item, sorter=order)
    found = order[np.minimum(place, len(keys) - 1)] if len(keys) else np.zeros(len(query), dtype=np.int64)
    match = keys[found] == query * n_items + item if len(keys) else np.zeros(len(query), dtype=bool)
    return Batch(
        baskets,
        torch.from_numpy(cell),
        torch.from_numpy(pairs.query),
        torch.from_numpy(pairs.item),
        torch.from_numpy(pairs.features),
        torch.from_numpy(query),
        torch.from_numpy(item),
        torch.from_numpy(np.where(match, found, -1)),
    )
