"""Histories: events with keys to ragged `Interactions` with dense ids."""

import numpy as np
import polars as pl

from data.catalogue import Catalogue
from data.interactions import Interactions, Ints


def encode_histories(
    events: pl.DataFrame, catalogue: Catalogue, *, min_user_events: int = 1
) -> tuple[Interactions, list[str]]:
    """The events on catalogue items, and the users who have enough of them.

    Baskets are numbered by when they began. Where two baskets of a user overlap in time, the events of the
    one that began first come first, and an event of the later one keeps its time or takes that of the newest
    event before it: so both times and ordinals never decrease, and each basket stays whole.

    Args:
        events: `user_key`, `item_key`, `timestamp` and maybe `basket_key`, in canonical order.
        catalogue: items of any other key are left out.
        min_user_events: users with fewer events on catalogue items are left out.

    Returns:
        One row per user, and the sorted keys of the users.
    """
    ids = catalogue.frame.select("item_key").with_row_index("item")
    known = events.join(ids, on="item_key", how="inner", maintain_order="left").drop("item_key")
    known = known.with_columns(pl.col("user_key").rle_id().alias("user"))
    if min_user_events > 1:
        known = known.filter(pl.len().over("user") >= min_user_events)
        known = known.with_columns(pl.col("user").rle_id())
    user_keys = known["user_key"].unique(maintain_order=True).to_list()
    known = known.drop("user_key")
    if "basket_key" in known.columns:
        known = _in_order_of_baskets(known)
    user = known["user"].to_numpy().astype(np.int64)
    offsets = np.searchsorted(user, np.arange(len(user_keys) + 1)).astype(np.int64)
    item, time = (known[name].to_numpy().astype(np.int64) for name in ("item", "timestamp"))
    ordinal = np.arange(len(user)) - offsets[user]
    basket = known["basket"].to_numpy().astype(np.int64) if "basket" in known.columns else ordinal
    return Interactions(item, _never_decreasing(time, user), basket, offsets), user_keys


def with_empty_rows(
    train: Interactions, user_keys: list[str], others: list[str]
) -> tuple[Interactions, list[str]]:
    """The same histories and an empty one for each of `others` without a row; keys stay sorted."""
    merged = sorted({*user_keys, *others})
    lengths = np.zeros(len(merged), dtype=np.int64)
    rows = np.searchsorted(np.array(merged, dtype=object), np.array(user_keys, dtype=object))
    lengths[rows] = train.lengths
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Interactions(train.item, train.time, train.basket, offsets), merged


def _in_order_of_baskets(events: pl.DataFrame) -> pl.DataFrame:
    """Rows by (user, first row of their basket, row), with the basket's ordinal as `basket`.

    In canonical order the first row of a basket is its first timestamp, ties by position.
    """
    rows = events.with_row_index("row")
    began = rows.with_columns(pl.col("row").min().over("user", "basket_key").alias("began"))
    ordered = began.drop("basket_key").sort("began", "row")  # `began` grows with `user`
    basket = pl.col("began").rle_id()
    return ordered.with_columns(basket.alias("number")).with_columns(
        (pl.col("number") - pl.col("number").first().over("user")).alias("basket")
    )


def _never_decreasing(time: Ints, user: Ints) -> Ints:
    """Running maximum of `time` [E] within each user of the sorted `user` [E]."""
    if not len(time):
        return time
    span = int(time.max()) - int(time.min()) + 1
    lifted = time + user * span
    return np.maximum.accumulate(lifted) - user * span
