"""Circle: a planted benchmark, whose next item is always the neighbour on a ring."""

from pathlib import Path
from typing import Any

import polars as pl

from data.synthetic import planted_tables

N_USERS, N_ITEMS, LENGTH = 40, 12, 8
TIMES = ("seconds", "cpu_seconds", "fit_seconds", "fit_cpu_seconds", "recommend_seconds", "date")
CONFIG = """
name = "circle"
title = "Circle"
threads = 1
recipe = "transitions"
validation_users = 20
[datasets.ring]
interactions = "ring/events.parquet"
items = "ring/items.parquet"
text_fields = ["name"]
columns = { user_key = "user_id", item_key = "item_id", timestamp = "day", position = "position" }
[encoder]
size = 4
[tokenizer]
n_levels = 2
codebook_size = 4
[tuning]
trials = 2
startup_trials = 1
warmup_epochs = 1
[families.popularity]
half_life_days = 30
[families.transitions]
[families.sasrec]
d_model = 8
epochs = 3
max_length = 10
[families.from-the-future]
[ablations.sasrec.narrow-rows]
batch_rows = 4
[[published]]
dataset = "ring"
name = "Oracle"
source = "this test"
values = { "ndcg@10" = 0.9 }
"""


def write_ring(root: Path, name: str = "ring", n_users: int = N_USERS) -> None:
    """Files as papers leave them: days instead of seconds, rows in no order, one item without a name."""
    tables = planted_tables(n_users, N_ITEMS, LENGTH)
    days = (pl.col("timestamp") // 86_400 * 86_400).alias("day")
    events = tables.interactions.select(
        pl.col("user_key").alias("user_id"), pl.col("item_key").alias("item_id"), days, "position"
    ).sample(fraction=1.0, shuffle=True, seed=1)
    called = pl.when(pl.int_range(pl.len()) == 3).then(None).otherwise(pl.col("name")).alias("name")
    items = tables.items.select(pl.col("item_key").alias("item_id"), called)
    (root / name).mkdir(parents=True)
    events.write_parquet(root / name / "events.parquet")
    items.write_parquet(root / name / "items.parquet")


def timeless(value: Any) -> Any:
    """The same result without times."""
    if isinstance(value, dict):
        return {key: timeless(each) for key, each in value.items() if key not in TIMES}
    return [timeless(each) for each in value] if isinstance(value, list) else value
