"""Row layout: a history as one position per event, after a start position that stands for "nothing yet".

The state at the last event of a basket predicts every item of the next one; without baskets each event is its
own, and this is the shifted sequence of SASRec (Kang and McAuley 2018, arXiv:1808.09781, section III-E).
Dims: B rows, T events of the longest row, Q queries, M (query, target) pairs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from data.interactions import SECONDS_PER_DAY, Interactions, Ints
from models.sequence.baskets import basket_starts, draw_baskets, items_of
from models.sequence.pairs import Pairs, paired
from models.sequence.recurrence import Recurrence

BATCHES_OF_ALIKE = 16  # rows are sorted by length within so many batches, so little of a batch is padding


@dataclass(frozen=True, slots=True)
class Rows:
    """Histories in a rectangle, newest events last.

    Attributes:
        item: int64 [B, T], left-aligned; 0 past a row's end.
        day: float32 [B, T], days since 1970 of each event; 0 past a row's end.
        length: int64 [B], events of each row.
    """

    item: Tensor
    day: Tensor
    length: Tensor

    def clock(self) -> Tensor:
        """Day of every state, the start's being its first event's: float32 [B, T + 1]."""
        first = self.day[:, :1] if self.day.shape[1] else self.day.new_zeros(len(self.day), 1)
        return torch.cat([first, self.day], dim=1)


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Rows, and what is to be predicted from them.

    Attributes:
        rows: the histories.
        cell: int64 [Q], row * (T + 1) + number of events seen; the state there predicts.
        target_query: int64 [M], in [0, Q), ascending.
        target_item: int64 [M].
        pairs: what each query's user had before, for a recipe with a pointer.
    """

    rows: Rows
    cell: Tensor
    target_query: Tensor
    target_item: Tensor
    pairs: Pairs | None = None

    def had(self) -> tuple[Tensor, Tensor]:
        """Items that each query's user had: queries, ascending, and items, int64 [P].

        Pairs tell of the whole history; without them the row before the query is all there is.
        """
        if self.pairs is not None:
            return self.pairs.query, self.pairs.item
        item = self.rows.item
        row, seen = self.cell // (item.shape[1] + 1), self.cell % (item.shape[1] + 1)
        places = torch.arange(item.shape[1], device=item.device)
        query, place = (places < seen[:, None]).nonzero(as_tuple=True)
        return query, item[row[query], place]


class RowBatches:
    """Each user once an epoch: a window of events that ends with a basket, and baskets to predict in it."""

    def __init__(
        self,
        events: Interactions,
        n_items: int,
        *,
        max_length: int,
        batch_rows: int,
        queries_per_row: int | None = None,
        with_pairs: bool = False,
    ) -> None:
        """Prepare the windows.

        Args:
            events: training events.
            n_items: I.
            max_length: T at most; a longer history gives a random window, ended by a basket to predict.
            batch_rows: B.
            queries_per_row: baskets drawn of each window, None for all.
            with_pairs: whether batches have `pairs`, over the whole history and not the window alone.
        """
        self.events, self.n_items = events, n_items
        self.max_length, self.batch_rows = max_length, batch_rows
        self.queries_per_row = max_length if queries_per_row is None else queries_per_row
        self.recurrence = Recurrence(events) if with_pairs else None
        self.starts, self.first_basket = basket_starts(events)
        self.users = np.flatnonzero(np.diff(self.first_basket) >= 2)

    def __len__(self) -> int:
        """Steps per epoch."""
        return -(-len(self.users) // self.batch_rows)

    def epoch(self, rng: np.random.Generator) -> Iterator[RowBatch]:
        """See `training.Batches`."""
        users, size = rng.permutation(self.users), self.batch_rows
        lengths = np.minimum(self.events.lengths, self.max_length)
        for begin in range(0, len(users), size * BATCHES_OF_ALIKE):
            alike = users[begin : begin + size * BATCHES_OF_ALIKE]
            alike = alike[np.argsort(lengths[alike], kind="stable")]
            batches = [alike[start : start + size] for start in range(0, len(alike), size)]
            for place in rng.permutation(len(batches)):
                yield self.batch(batches[place], rng)

    def batch(self, users: Ints, rng: np.random.Generator) -> RowBatch:
        """The newest T events before basket `last`, which is the newest one to predict."""
        oldest, stop = self.events.offsets[users], self.first_basket[users + 1]
        full = np.searchsorted(self.starts, oldest + self.max_length)
        last = rng.integers(np.minimum(full, stop - 1), stop)
        end = self.starts[last]
        begin = np.maximum(oldest, end - self.max_length)
        rows = lay_out(self.events, begin, end)
        before = np.searchsorted(self.starts, begin, side="right") - 1
        row, basket = draw_baskets(before, last, self.queries_per_row, rng)
        cell = row * (rows.item.shape[1] + 1) + self.starts[basket] - begin[row]
        query, target = items_of(self.events, self.starts, basket, self.n_items)
        pairs = None
        if self.recurrence is not None:
            had = self.recurrence.candidates(users[row], self.starts[basket])
            pairs = paired(had, query, target, self.n_items)
        asked = [torch.from_numpy(each) for each in (cell, query, target)]
        return RowBatch(rows, asked[0], asked[1], asked[2], pairs)


def newest_rows(histories: Interactions, max_length: int) -> Rows:
    """The newest `max_length` events of each history, as an answer needs them."""
    newest = histories.last(max_length)
    return lay_out(newest, newest.offsets[:-1], newest.offsets[1:])


def lay_out(events: Interactions, begin: Ints, end: Ints) -> Rows:
    """Events begin[b]:end[b] as row b; both int64 [B], flat indices."""
    lengths = end - begin
    place = np.arange(int(lengths.max(initial=0)))
    inside = place < lengths[:, None]
    index = (begin[:, None] + place)[inside]
    item = np.zeros(inside.shape, dtype=np.int64)
    day = np.zeros(inside.shape, dtype=np.float32)
    item[inside] = events.item[index]
    day[inside] = events.time[index] / SECONDS_PER_DAY
    return Rows(*map(torch.from_numpy, (item, day, lengths)))
