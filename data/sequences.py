"""Sequences: ragged histories to padded batches of similar length, so that little of a batch is padding.

Dims: U histories, B rows of a batch, T positions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.interactions import Interactions, Ints

NO_ITEM = -1


@dataclass(frozen=True, slots=True)
class PaddedBatch:
    """B histories in a rectangle, padded on the left, so that the newest event is always at T - 1.

    Attributes:
        item: int64 [B, T], dense ids; NO_ITEM where there is no event.
        time: int64 [B, T], Unix seconds UTC; a pad repeats the row's oldest time, or 0 in an empty row.
        basket: int64 [B, T], ordinals; NO_ITEM where there is no event.
        mask: bool [B, T], true where there is an event.
    """

    item: Ints
    time: Ints
    basket: Ints
    mask: NDArray[np.bool_]


def length_buckets(
    lengths: Ints,
    *,
    batch_size: int | None = None,
    batch_tokens: int | None = None,
    rng: np.random.Generator | None = None,
) -> list[Ints]:
    """Rows grouped so that those of one batch have almost the same length; each row is in one batch.

    Args:
        lengths: int64 [U], events of each history; cut them to the model's maximum first.
        batch_size: rows of a batch at most.
        batch_tokens: rows times the longest length of a batch at most; a row that is longer alone is its own
            batch. One of the two sizes, or both, must be given.
        rng: shuffles rows of equal length and the order of the batches; None keeps shortest first.

    Returns:
        int64 row indices of each batch.

    Raises:
        ValueError: no size is given, or one is below 1.
    """
    given = [size for size in (batch_size, batch_tokens) if size is not None]
    if not given or min(given) < 1:
        raise ValueError(
            "a batch needs a batch_size or batch_tokens of at least 1, "
            f"but got {batch_size} and {batch_tokens}: give one of them."
        )
    shuffled = np.arange(len(lengths)) if rng is None else rng.permutation(len(lengths))
    rows = shuffled[np.argsort(lengths[shuffled], kind="stable")].astype(np.int64)
    batches = np.split(rows, _cuts(lengths[rows], batch_size, batch_tokens)) if len(rows) else []
    if rng is not None:
        batches = [batches[i] for i in rng.permutation(len(batches))]
    return batches


def _cuts(ascending: Ints, batch_size: int | None, batch_tokens: int | None) -> list[int]:
    """Where to cut rows of `ascending` lengths into batches; one step of the loop is one batch."""
    cuts: list[int] = []
    start, n_rows = 0, len(ascending)
    places = np.arange(1, n_rows + 1)
    while True:
        end = n_rows if batch_size is None else min(start + batch_size, n_rows)
        if batch_tokens is not None:
            cost = np.maximum(ascending[start:end], 1) * (places[start:end] - start)  # grows with the row
            end = start + max(1, int(np.searchsorted(cost, batch_tokens, side="right")))
        if end >= n_rows:
            return cuts
        cuts.append(end)
        start = end


def pad(histories: Interactions, max_length: int) -> PaddedBatch:
    """The newest `max_length` events of each history, padded on the left to the longest of them.

    T is the longest kept history, at least 1; an empty history is a row of pads.

    Raises:
        ValueError: `max_length` is below 1.
    """
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1, but got {max_length}: keep one event or more.")
    newest = histories.last(max_length)
    lengths = newest.lengths
    width = max(1, int(lengths.max(initial=0)))
    place = np.arange(width)
    mask = place >= (width - lengths)[:, None]
    oldest = np.zeros(len(lengths), dtype=np.int64)
    oldest[lengths > 0] = newest.time[newest.offsets[:-1][lengths > 0]]
    item = np.full(mask.shape, NO_ITEM, dtype=np.int64)
    basket = item.copy()
    time = np.repeat(oldest[:, None], width, axis=1)
    item[mask], basket[mask], time[mask] = newest.item, newest.basket, newest.time
    return PaddedBatch(item, time, basket, mask)
