"""Synthetic: planted tables, in which the right answer is known, for tests and the smoke run."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data.tables import Tables

START = 1_500_000_000
SECONDS_BETWEEN_EVENTS = 3_600
ITEMS_PER_CATEGORY = 5


def planted_tables(
    n_users: int,
    n_items: int,
    length: int,
    noise: float = 0.0,
    seed: int = 0,
    *,
    repeats: float = 0.0,
) -> Tables:
    """Users who walk a cycle of items: after item i comes item i + 1 (mod n_items).

    Each event is its own basket. Every user starts at a random item and a random minute of the first hour,
    then has one event an hour. Items are named so that the order of keys is the order of the cycle; the text
    fields are `category` (five neighbours on the cycle share it) and `name`.

    Args:
        n_users: U.
        n_items: I.
        length: events of each user.
        noise: chance that a step goes to a uniformly random item instead, in [0, 1].
        seed: of the generator; equal arguments give equal tables.
        repeats: chance that a step stays on the item it is at, in [0, 1]; decided before the noise.
    """
    rng = np.random.default_rng(seed)
    items = _walks(n_users, n_items, length, noise, repeats, rng)
    start = START + 60 * rng.integers(0, 60, size=(n_users, 1))
    times = start + SECONDS_BETWEEN_EVENTS * np.arange(length)
    return Tables(
        interactions=_events(items, times),
        items=_item_table(n_items),
        text_fields=("category", "name"),
        source=f"planted cycle (seed {seed})",
    )


def _walks(
    n_users: int, n_items: int, length: int, noise: float, repeats: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Item of each step: int64 [n_users, length]."""
    shape = (n_users, length)
    jumps, stays = rng.random(shape) < noise, rng.random(shape) < repeats
    anywhere = rng.integers(0, n_items, size=shape)
    items = np.empty(shape, dtype=np.int64)
    items[:, 0] = anywhere[:, 0]
    for step in range(1, length):
        before = items[:, step - 1]
        forward = np.where(jumps[:, step], anywhere[:, step], (before + 1) % n_items)
        items[:, step] = np.where(stays[:, step], before, forward)
    return items


def _events(items: NDArray[np.int64], times: NDArray[np.int64]) -> pl.DataFrame:
    n_users, length = items.shape
    rows = pl.DataFrame(
        {
            "user": np.repeat(np.arange(n_users), length),
            "item": items.ravel(),
            "timestamp": times.ravel(),
            "position": np.arange(n_users * length),
        }
    )
    return rows.select(
        key("user", n_users).alias("user_key"),
        key("item", int(items.max(initial=0)) + 1, width=5).alias("item_key"),
        "timestamp",
        "position",
        pl.concat_str(pl.lit("basket-"), pl.col("position").cast(pl.String)).alias("basket_key"),
    )


def key(name: str, n: int, *, width: int = 1) -> pl.Expr:
    """Numbers of column `name` as text keys whose order is that of the numbers: `user-07`."""
    digits = max(width, len(str(max(n - 1, 0))))
    return pl.concat_str(pl.lit(f"{name}-"), pl.col(name).cast(pl.String).str.zfill(digits))


def _item_table(n_items: int) -> pl.DataFrame:
    rows = pl.DataFrame({"item": np.arange(n_items)})
    category = (pl.col("item") // ITEMS_PER_CATEGORY).cast(pl.String)
    return rows.select(
        key("item", n_items, width=5).alias("item_key"),
        pl.concat_str(pl.lit("category "), category).alias("category"),
        pl.concat_str(pl.lit("thing "), pl.col("item").cast(pl.String)).alias("name"),
    )
