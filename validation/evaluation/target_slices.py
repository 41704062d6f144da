"""Target slices: groups of queries by what they want: again, from the long tail, or from a category.

Beside the groups by what a user is like (`evaluate.slices_of`). Dims: Q queries, M targets, I items.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from data.catalogue import Catalogue
from data.interactions import Ints
from data.split import COLD, Window
from models.recommender import Config
from validation.evaluation.evaluate import slices_of

Mask = NDArray[np.bool_]
MOST_KINDS = 100  # a column with more values is no category that people speak of


class SliceConfig(Config):
    """Groups of queries that get numbers of their own."""

    tail_share: float = Field(
        default=0.2, gt=0, lt=1, description="The least-bought items that share so much of all events."
    )
    category: str | None = Field(
        default=None,
        description="Column of the items; None: the first text with 2 to 100 values. A query belongs to the "
        "category that most of its targets have.",
    )
    categories: int = Field(default=8, ge=0, description="How many, those wanted most often.")


def target_slices(window: Window, config: SliceConfig) -> dict[str, Mask]:
    """Name to bool [Q]; the names do not clash with those of `evaluate.slices_of`.

    "repeats" wants at least one item of its history. "long tail" wants more items of the tail than others; an
    item that is not in the catalogue is in no tail.

    Raises:
        ValueError: the items have no such column.
    """
    known = window.target != COLD
    query = np.repeat(np.arange(len(window.query_users)), np.diff(window.target_offsets))[known]
    item, n_queries = window.target[known], len(window.query_users)
    slices = {
        "repeats": ~slices_of(window)["new to the user"],
        "long tail": _most(_tail(window, config.tail_share)[item], query, n_queries),
    }
    return slices | dict(_categories(window.catalogue, item, query, n_queries, config))


def _tail(window: Window, share: float) -> Mask:
    """The least-bought items, as many as fit into `share` of the training events; ties go by id: bool [I]."""
    counts = np.bincount(window.train.item, minlength=len(window.catalogue))
    order = np.argsort(counts, kind="stable")
    tail = np.zeros(len(counts), dtype=bool)
    tail[order[np.cumsum(counts[order]) <= share * counts.sum()]] = True
    return tail


def _categories(
    catalogue: Catalogue, item: Ints, query: Ints, n_queries: int, config: SliceConfig
) -> Iterator[tuple[str, Mask]]:
    """A group for each of the categories that most queries want; a tie within a query goes to the first."""
    field = config.category or _category(catalogue)
    if field is None or not config.categories or not len(item):
        return
    if field not in catalogue.frame.columns:
        raise ValueError(
            f"[slices] category must be a column of the items, but got {field!r}: choose one of "
            f"{', '.join(catalogue.frame.columns)}."
        )
    column = catalogue.frame[field].cast(pl.String).fill_null("").to_numpy()
    names, kind = np.unique(column, return_inverse=True)
    counts = np.zeros((n_queries, len(names)), dtype=np.int64)
    np.add.at(counts, (query, kind[item]), names[kind[item]] != "")
    wanted = np.where(counts.any(axis=1), counts.argmax(axis=1), -1)
    sizes = np.bincount(wanted[wanted >= 0], minlength=len(names))
    for place in np.argsort(-sizes, kind="stable")[: config.categories]:
        if sizes[place]:
            yield f"{field} {names[place]}", wanted == place


def _category(catalogue: Catalogue) -> str | None:
    """The first column of text that reads as a category."""
    for name in (name for name in catalogue.frame.columns if name != "item_key"):
        column = catalogue.frame[name]
        if column.dtype in (pl.String, pl.Categorical, pl.Enum) and 2 <= column.n_unique() <= MOST_KINDS:
            return name
    return None


def _most(holds: Mask, query: Ints, n_queries: int) -> Mask:
    return 2 * np.bincount(query[holds], minlength=n_queries) > np.bincount(query, minlength=n_queries)
