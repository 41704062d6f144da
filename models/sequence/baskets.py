"""Basket layout: a history as one position per basket, after a start position that stands for "nothing yet".

Dims: B rows, T positions (start included), E items in all baskets shown, P baskets of all users, Q queries,
M (query, item) pairs.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from data.interactions import SECONDS_PER_DAY, Interactions, Ints


@dataclass(frozen=True, slots=True)
class BasketBatch:
    """Padded sequence of baskets; items stay ragged.

    Attributes:
        item: int64 [E], items of all baskets.
        cell: int64 [E], row * T + position of the item's basket.
        gap: float [B, T], log(1 + days since the basket before), 0 at the start and at pads.
        size: float [B, T], log(1 + items in the basket), 0 at the start and at pads.
    """

    item: Tensor
    cell: Tensor
    gap: Tensor
    size: Tensor


def basket_starts(events: Interactions) -> tuple[Ints, Ints]:
    """First event of each basket (int64 [P], flat index), and the users' offsets into it (int64 [U + 1])."""
    fresh = np.ones(len(events), dtype=bool)
    user = events.user
    fresh[1:] = (user[1:] != user[:-1]) | (events.basket[1:] != events.basket[:-1])
    starts = np.flatnonzero(fresh)
    return starts, np.searchsorted(starts, events.offsets)


def draw_baskets(begin: Ints, last: Ints, n: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """At most `n` distinct baskets per row from begin + 1 .. last: rows and baskets, int64 [Q].

    Args:
        begin: int64 [B], baskets; the ones drawn come after it.
        last: int64 [B], the newest that may be drawn.
        n: most of a row.
        rng: of the draw.
    """
    width = int((last - begin).max())
    draw = rng.random((len(begin), width))
    draw[np.arange(width) >= (last - begin)[:, None]] = np.inf
    chosen = np.argsort(draw, axis=1, kind="stable")[:, :n]
    valid = np.isfinite(np.take_along_axis(draw, chosen, axis=1))
    row = np.nonzero(valid)[0]
    return row, begin[row] + 1 + chosen[valid]


def items_of(events: Interactions, starts: Ints, basket: Ints, n_items: int) -> tuple[Ints, Ints]:
    """The distinct items of each of the baskets asked for: int64 [M] query in [0, Q), ascending, and item.

    Args:
        events: where the baskets are.
        starts: int64 [P], first event of every basket.
        basket: int64 [Q], flat index of a basket for each query.
        n_items: I.
    """
    ends = np.append(starts, len(events))
    lengths = ends[basket + 1] - ends[basket]
    query = np.repeat(np.arange(len(basket)), lengths)
    ahead = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    item = events.item[np.arange(len(query)) + np.repeat(ends[basket] - ahead, lengths)]
    query, item = np.divmod(np.unique(query * n_items + item), n_items)
    return query, item


def basket_batch(events: Interactions, *, first_event: Ints, end_event: Ints) -> BasketBatch:
    """Lay out the events first_event[b]:end_event[b] of row b; both must be basket borders.

    Args:
        events: where the rows are taken from.
        first_event: int64 [B], flat index.
        end_event: int64 [B], flat index, exclusive; equal to first_event for an empty history.
    """
    lengths = end_event - first_event
    ahead = np.concatenate([[0], np.cumsum(lengths)])
    index = np.arange(ahead[-1]) + np.repeat(first_event - ahead[:-1], lengths)
    row = np.repeat(np.arange(len(lengths)), lengths)
    basket, time = events.basket[index], events.time[index]
    fresh = np.ones(len(index), dtype=bool)
    fresh[1:] = (row[1:] != row[:-1]) | (basket[1:] != basket[:-1])
    place = np.cumsum(fresh)
    bag_row, bag_time = row[fresh], time[fresh]
    first_bag = np.searchsorted(bag_row, np.arange(len(lengths)))
    column = np.arange(len(bag_row)) - first_bag[bag_row] + 1
    width = 1 + int(column.max(initial=0))
    cell = bag_row * width + column
    gaps = np.zeros(len(bag_row))
    gaps[1:] = np.where(bag_row[1:] == bag_row[:-1], bag_time[1:] - bag_time[:-1], 0) / SECONDS_PER_DAY
    gap, size = np.zeros(len(lengths) * width), np.zeros(len(lengths) * width)
    gap[cell] = np.log1p(gaps)
    size[cell] = np.log1p(np.bincount(place - 1, minlength=len(bag_row)))
    return BasketBatch(
        torch.from_numpy(events.item[index]),
        torch.from_numpy(cell[place - 1]),
        torch.from_numpy(gap.reshape(-1, width)),
        torch.from_numpy(size.reshape(-1, width)),
    )
