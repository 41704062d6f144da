from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from data.profile import Bounds, checked_rows, facts, offending_rows, profile, rules_of, types
from data.snapshot import Snapshot, write_snapshot
from data.synthetic import START, planted_tables

BOUNDS = Bounds(START - 1, START + 10 * 86_400)


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """20 users with 5 hourly events each on 15 items, every column there."""
    tables = planted_tables(20, 15, 5, seed=3)
    more = [pl.lit("buy").alias("event_type"), pl.lit(1.0).alias("weight")]
    return write_snapshot(replace(tables, interactions=tables.interactions.with_columns(more)), tmp_path)


def change(snapshot: Snapshot, step: Callable[[pl.DataFrame], pl.DataFrame], *, sort: bool = True) -> None:
    """Damage the interactions on disk; `sort` puts them into canonical order again."""
    file = snapshot.path / "interactions.parquet"
    events = step(pl.read_parquet(file))
    if sort:
        rows = pl.int_range(pl.len(), dtype=pl.Int64).alias("position")
        events = events.sort("user_key", "timestamp", "position").with_columns(rows)
    events.write_parquet(file)


def value(column: str, new: object) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Sets row 7 of a column."""

    def step(events: pl.DataFrame) -> pl.DataFrame:
        seventh = pl.lit(new, dtype=events.schema[column])
        here = pl.int_range(pl.len()) == 7
        return events.with_columns(pl.when(here).then(seventh).otherwise(pl.col(column)).alias(column))

    return step


def first_again(events: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([events, events.head(1)])


def first_again_with_another_weight(events: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([events, events.head(1).with_columns(pl.lit(2.0).alias("weight"))])


def broken(snapshot: Snapshot) -> dict[str, int]:
    """Rule to the rows that break it, only those that are broken."""
    return {check: offending for check, _, offending in profile(snapshot, BOUNDS).iter_rows() if offending}


def test_good_data_breaks_nothing(snapshot):
    table = profile(snapshot, BOUNDS)
    assert broken(snapshot) == {}
    assert table["rows"].to_list() == [15 if name.startswith("items_") else 100 for name in table["check"]]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (value("user_key", None), {"user_key_filled": 1}),
        (value("item_key", None), {"item_key_filled": 1}),
        (value("timestamp", None), {"timestamp_filled": 1}),
        (value("basket_key", None), {"basket_key_filled": 1}),
        (value("user_key", ""), {"user_key_not_empty": 1}),
        (value("item_key", ""), {"item_key_not_empty": 1, "item_known": 1}),
        (value("timestamp", START * 1000), {"timestamp_in_range": 1}),
        (value("weight", None), {"weight_filled": 1}),
        (value("weight", float("nan")), {"weight_filled": 1}),
        (value("weight", -0.5), {"weight_in_range": 1}),
        (value("weight", float("inf")), {"weight_in_range": 1}),
        (value("item_key", "nobody"), {"item_known": 1}),
        (first_again, {"events_distinct": 2, "one_event_a_moment": 2}),
        (first_again_with_another_weight, {"one_event_a_moment": 2}),
    ],
)
def test_a_planted_fault_is_counted_under_its_rule(fault, expected, snapshot):
    change(snapshot, fault)
    assert broken(snapshot) == expected


def test_rows_out_of_order_are_counted(snapshot):
    # rows 7 and 8 (one user, an hour apart) swapped: only row 8 is before the row above it.
    def swap(events):
        order = [*range(7), 8, 7, *range(9, 100)]
        return events[order]

    change(snapshot, swap, sort=False)
    assert broken(snapshot) == {"in_order": 1}


def test_a_user_in_two_places_is_out_of_order(snapshot):
    change(snapshot, lambda events: events[[*range(5, 100), *range(5)]], sort=False)
    assert broken(snapshot) == {"in_order": 1}


def test_the_offending_rows_carry_their_rule_and_place(snapshot):
    change(snapshot, value("weight", -1.0))
    rows = offending_rows(snapshot, ["weight_in_range", "item_known"], BOUNDS, limit=10)
    assert rows.select("failed_check", "source_table", "row", "weight").rows() == [
        ("weight_in_range", "interactions", 7, -1.0)
    ]


def test_a_sample_holds_whole_users(snapshot):
    rows = checked_rows(snapshot, "interactions", rows=40)
    assert 0 < rows.height <= 80
    assert set(rows.group_by("user_key").len()["len"]) == {5}


def test_a_table_without_optional_columns_has_fewer_rules(snapshot):
    change(snapshot, lambda events: events.drop("weight", "basket_key", "event_type"))
    assert not {rule.name for rule in rules_of(snapshot)} & {
        "weight_filled",
        "weight_in_range",
        "basket_key_filled",
    }
    assert broken(snapshot) == {}


def test_a_column_of_another_type_has_no_rules(snapshot):
    change(snapshot, lambda events: events.with_columns(pl.col("timestamp").cast(pl.String)), sort=False)
    assert types(snapshot, "interactions")["timestamp"] == "String"
    assert not {rule.name for rule in rules_of(snapshot)} & {
        "timestamp_in_range",
        "in_order",
        "events_distinct",
    }


def test_the_facts_are_of_the_whole_tables(snapshot):
    newest = snapshot.interactions()["timestamp"].max()
    assert facts(snapshot) == {
        "n_interactions": 100,
        "n_items": 15,
        "last_timestamp": newest,
        "described": 1.0,
    }
