"""Recommender: the contract that every model keeps, baseline or generative.

Dims: B histories, I items, k list length, D size of an item vector.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from data.interactions import Interactions, Ints
from models.tokenizers.code_table import CodeTable

Floats = NDArray[np.float32]
Reals = NDArray[np.floating]
Mask = NDArray[np.bool_]
Arrays = dict[str, NDArray[Any]]
NO_ITEM = -1
LOWEST = np.finfo(np.float32).min
MAX_SEGMENT = 512


class Config(BaseModel):
    """Frozen settings; an unknown key is an error, so a typo never becomes a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Recommendations:
    """Ranked lists, best first.

    Attributes:
        items: int64 [B, k], dense ids; NO_ITEM fills a row that has fewer than k allowed items.
        scores: float32 [B, k], non-increasing; -inf beside NO_ITEM. Ties are ordered by item id.
    """

    items: Ints
    scores: Floats


@dataclass(frozen=True, slots=True)
class FitData:
    """Everything a recommender may learn from; all of it lies before the cut-off.

    Attributes:
        events: training events, dense ids in [0, n_items).
        n_items: I.
        vectors: float32 [I, D], content vectors of the items (`item_encoders/`).
        codes: semantic IDs of the items, fitted on the same vectors.
        counted: what was counted on these events already, by how; filled by `item_graph.graph_of`.
    """

    events: Interactions
    n_items: int
    vectors: Floats
    codes: CodeTable
    counted: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one finished epoch reports to whoever watches: logs, pruning, progress bars."""

    number: int
    loss: float
    metric: float
    seconds: float
    cpu_seconds: float


Watcher = Callable[[Epoch], None]
"""Called after each epoch; raises to stop the training (for example to prune a trial)."""


class Recommender(Protocol):
    """Fit on events, then rank the catalogue for a batch of histories."""

    family: ClassVar[str]
    config: Config

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        """Top-k of the catalogue for each history.

        Args:
            histories: B rows; an empty row gets the model's answer for an unknown user.
            k: list length, 1 <= k.
            allowed: bool [I] or [B, I]; items that may be returned, None for all. Seen items are
                allowed unless the caller masks them.
        """
        ...

    def state(self) -> Arrays:
        """Everything that was learned, as arrays; with `config` it rebuilds the model."""
        ...

    @classmethod
    def from_state(cls, config: Config, state: Arrays) -> Self:
        """The inverse of `state`."""
        ...


def concatenate(parts: list[Recommendations], k: int) -> Recommendations:
    """Lists of consecutive rows as one; no part gives zero rows of `k`."""
    nothing = Recommendations(np.empty((0, k), dtype=np.int64), np.empty((0, k), dtype=np.float32))
    every = [nothing, *parts]
    return Recommendations(
        np.concatenate([part.items for part in every]), np.concatenate([part.scores for part in every])
    )


def top_k(scores: Floats, k: int, allowed: Mask | None) -> Recommendations:
    """The k best allowed items of each row; ties go to the smaller id.

    Args:
        scores: float32 [B, I]; -inf means never.
        k: list length; rows are filled with NO_ITEM past the allowed items.
        allowed: bool [I] or [B, I], or None.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, but got {k}: ask for one item or more.")
    masked = scores if allowed is None else np.where(allowed, scores, -np.inf)
    masked = masked.astype(np.float32, copy=False)
    bound = _under_the_kth(masked, k)
    if np.isnan(bound).any():
        masked = np.where(np.isnan(masked), np.float32(-np.inf), masked)
        bound = _under_the_kth(masked, k)
    items = np.full((len(masked), k), NO_ITEM, dtype=np.int64)
    values = np.full((len(masked), k), -np.inf, dtype=np.float32)
    for row, (row_scores, least) in enumerate(zip(masked, bound, strict=True)):
        columns = np.flatnonzero(row_scores >= max(least, LOWEST))
        best = columns[np.argsort(-row_scores[columns], kind="stable")[:k]]
        items[row, : len(best)], values[row, : len(best)] = best, row_scores[best]
    return Recommendations(items, np.minimum(values, -LOWEST))


def _under_the_kth(scores: Floats, k: int) -> Floats:
    """A value that the k best of each row reach, and few others: float32 [B]; NaN if any score is.

    The k-th largest of the maxima of segments: k segments hold at least one score that large each.
    """
    n_columns = scores.shape[1]
    starts = np.arange(0, n_columns, min(MAX_SEGMENT, max(1, n_columns // (4 * k))))
    if len(starts) < k:
        return np.where(np.isnan(scores).any(axis=1), np.float32(np.nan), np.float32(-np.inf))
    maxima: Floats = np.maximum.reduceat(scores, starts, axis=1)
    kth: Floats = np.partition(maxima, len(starts) - k, axis=1)[:, len(starts) - k]
    return np.where(np.isnan(maxima).any(axis=1), np.float32(np.nan), kth)
