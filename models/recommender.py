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
Mask = NDArray[np.bool_]
Arrays = dict[str, NDArray[Any]]
NO_ITEM = -1


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
    masked = np.nan_to_num(masked.astype(np.float32, copy=False), nan=-np.inf, neginf=-np.inf)
    width = min(k, masked.shape[1])
    best = _best_with_ties_by_id(masked, width)
    values = np.take_along_axis(masked, best, axis=1)
    items = np.where(np.isneginf(values), NO_ITEM, best)
    short = ((0, 0), (0, k - width))
    return Recommendations(
        np.pad(items, short, constant_values=NO_ITEM),
        np.pad(values, short, constant_values=-np.inf),
    )


def _best_with_ties_by_id(scores: Floats, width: int) -> Ints:
    """Columns of the `width` largest of each row: int64 [B, width], ties by smaller column."""
    n_columns = scores.shape[1]
    edge = np.partition(scores, n_columns - width, axis=1)[:, n_columns - width, None]
    rows, columns = np.nonzero(scores >= edge)  # row-major: columns ascend within a row
    order = np.lexsort((columns, -scores[rows, columns], rows))
    rows, columns = rows[order], columns[order]
    starts = np.searchsorted(rows, np.arange(len(scores)))
    best: Ints = columns[starts[:, None] + np.arange(width)].astype(np.int64)
    return best
