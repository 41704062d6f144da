import json
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from data.profile import Bounds, profile
from data.snapshot import Snapshot, write_snapshot
from data.synthetic import START, planted_tables
from data.tables import Tables
from validation.snapshot.expectations import ValidationConfig
from validation.snapshot.validate import validate
from validation.snapshot.verdict import DataVerdict

NOW = START + 40 * 86_400
BIG = {"full_rows": 1, "sample_rows": 1_000}  # everything is past the limit, and the sample holds all of it


def good() -> Tables:
    """20 users with 5 hourly events each, every column there."""
    tables = planted_tables(20, 15, 5, seed=3)
    more = [pl.lit("buy").alias("event_type"), pl.lit(1.0).alias("weight")]
    return replace(tables, interactions=tables.interactions.with_columns(more))


def events_with(changes: dict[tuple[str, int], object]) -> pl.DataFrame:
    """Events of `good` in canonical order, with values set by (column, row before sorting)."""
    columns = good().interactions.sort("user_key", "timestamp").to_dict(as_series=False)
    for (column, row), value in changes.items():
        columns[column][row] = value
    return pl.DataFrame(columns, schema=good().interactions.schema)


def damaged(tmp_path: Path, events: pl.DataFrame, items: pl.DataFrame | None = None) -> Snapshot:
    """A snapshot of `good` whose files were changed behind its back; events are put into order."""
    snapshot = write_snapshot(good(), tmp_path / "snapshots")
    rows = pl.int_range(pl.len(), dtype=pl.Int64).alias("position")
    events = events.sort("user_key", "timestamp", "position").with_columns(rows)
    events.write_parquet(snapshot.path / "interactions.parquet")
    if items is not None:
        items.write_parquet(snapshot.path / "items.parquet")
    return snapshot


def check(snapshot: Snapshot, tmp_path: Path, *, previous: Snapshot | None = None, **config) -> DataVerdict:
    return validate(snapshot, previous, ValidationConfig(**config), tmp_path / "out", now=NOW)


def broken(verdict: DataVerdict) -> set[str]:
    return {result.name.removesuffix(" (sample)") for result in verdict.checks if not result.passed}


# One fault of each kind, each in the row of another user; rows 10 and 11 become copies of row 12.
FAULTS: dict[tuple[str, int], object] = {
    ("user_key", 0): None,
    ("item_key", 5): None,
    ("timestamp", 15): None,
    ("basket_key", 20): None,
    ("user_key", 25): "",
    ("item_key", 30): "",
    ("item_key", 35): "nobody",
    ("timestamp", 40): 12,
    ("timestamp", 45): START * 1000,
    ("weight", 50): None,
    ("weight", 55): float("nan"),
    ("weight", 60): -2.5,
    ("weight", 65): float("inf"),
}
OFFENDING = {
    "user_key_filled": 1,
    "item_key_filled": 1,
    "timestamp_filled": 1,
    "basket_key_filled": 1,
    "user_key_not_empty": 1,
    "item_key_not_empty": 1,
    "item_known": 2,  # the empty key, and nobody
    "timestamp_in_range": 2,
    "weight_filled": 2,
    "weight_in_range": 2,
    "events_distinct": 2,  # row 10 is a copy of row 12
    "one_event_a_moment": 3,  # and row 11 differs from them in its weight only
    "items_distinct": 2,
}


@pytest.fixture
def wreck(tmp_path: Path) -> Snapshot:
    """A snapshot with every fault of FAULTS, copies of an event and of an item."""
    events = events_with(FAULTS)
    twelve = events[12]
    other = twelve.with_columns(pl.lit(9.0).alias("weight"))
    events = pl.concat([events[:10], twelve, other, events[12:]])
    items = good().items.select("item_key", "category", "name")
    return damaged(tmp_path, events, pl.concat([items, items.head(1)]))


@pytest.fixture(scope="module", autouse=True)
def _great_expectations_imported_once():
    import great_expectations  # noqa: F401


def test_good_data_passes_every_check(tmp_path: Path):
    verdict = check(write_snapshot(good(), tmp_path), tmp_path)
    assert verdict.passed
    assert broken(verdict) == set()
    assert verdict.offending_rows is None
    assert verdict.mode == "full"
    assert "they do, with 0 warnings" in verdict.message()


@pytest.mark.parametrize("config", [{}, BIG], ids=["full", "profile"])
def test_every_planted_fault_is_found_and_counted(config: dict, wreck: Snapshot, tmp_path: Path):
    verdict = check(wreck, tmp_path, **config)
    assert not verdict.passed
    assert {
        r.name: r.offending for r in verdict.checks if r.offending and "sample" not in r.name
    } == OFFENDING
    assert broken(verdict) == set(OFFENDING)
    assert {r.name for r in verdict.warnings if "sample" not in r.name} == {
        "weight_filled",
        "one_event_a_moment",
    }


def test_great_expectations_and_the_profile_agree(wreck: Snapshot, tmp_path: Path):
    counted = profile(wreck, ValidationConfig().bounds(NOW))
    ours = dict(zip(counted["check"], counted["offending"], strict=True))
    found = {r.name: r.offending for r in check(wreck, tmp_path).checks if r.name in ours}
    assert found == ours


@pytest.mark.slow
@pytest.mark.parametrize(("place", "value"), FAULTS.items(), ids=[f"{c}-{r}" for c, r in FAULTS])
def test_a_fault_alone_fails_no_other_check(place, value, tmp_path: Path):
    snapshot = damaged(tmp_path, events_with({place: value}))
    counted = profile(snapshot, ValidationConfig().bounds(NOW))
    expected = set(counted.filter(pl.col("offending") > 0)["check"])
    assert broken(check(snapshot, tmp_path)) == expected
    assert 1 <= len(expected) <= 2


def test_the_offending_rows_are_kept_with_the_rule_they_break(tmp_path: Path):
    events = events_with({("item_key", 7): "nobody", ("weight", 3): -2.0})
    verdict = check(damaged(tmp_path, events), tmp_path)
    assert verdict.offending_rows == tmp_path / "out" / "offending_rows.parquet"
    rows = pl.read_parquet(verdict.offending_rows)
    found = rows.select("failed_check", "item_key", "weight").sort("failed_check").rows()
    assert [row[0] for row in found] == ["item_known", "weight_in_range"]
    assert found[0][1] == "nobody"
    assert found[1][2] == -2.0
    assert "offending_rows.parquet" in verdict.message()


def test_no_more_rows_are_kept_than_asked_for(tmp_path: Path):
    negative = good().interactions.with_columns(pl.lit(-1.0).alias("weight"))
    verdict = check(damaged(tmp_path, negative), tmp_path, max_offending_rows=4)
    assert len(pl.read_parquet(verdict.offending_rows)) == 4


def test_offending_rows_of_an_earlier_run_do_not_stay(tmp_path: Path):
    assert check(damaged(tmp_path, events_with({("weight", 7): -1.0})), tmp_path).offending_rows
    check(write_snapshot(good(), tmp_path / "other"), tmp_path)
    assert not (tmp_path / "out" / "offending_rows.parquet").exists()


def test_rows_that_are_out_of_order_are_found(tmp_path: Path):
    snapshot = write_snapshot(good(), tmp_path)
    file = snapshot.path / "interactions.parquet"
    pl.read_parquet(file).with_columns(pl.col("timestamp").reverse()).write_parquet(file)
    verdict = validate(snapshot, None, ValidationConfig(), tmp_path / "out", now=NOW)
    assert broken(verdict) == {"in_order"}


@pytest.mark.parametrize("dtype", [pl.Int32, pl.String])
def test_a_column_of_another_type_fails_and_what_needs_it_is_not_checked(dtype, tmp_path: Path):
    snapshot = write_snapshot(good(), tmp_path)
    file = snapshot.path / "interactions.parquet"
    pl.read_parquet(file).with_columns(pl.col("timestamp").cast(dtype)).write_parquet(file)
    verdict = validate(snapshot, None, ValidationConfig(), tmp_path / "out", now=NOW)
    failed = {result.name: result.observed for result in verdict.failed}
    assert failed["interactions_timestamp_type"] == str(dtype())
    assert failed["timestamp_in_range"] == "not checked: a column it needs is missing or of the wrong type"
    assert failed["in_order"].startswith("not checked")


def test_a_missing_column_fails(tmp_path: Path):
    snapshot = write_snapshot(good(), tmp_path)
    file = snapshot.path / "interactions.parquet"
    pl.read_parquet(file).drop("item_key").write_parquet(file)
    verdict = validate(snapshot, None, ValidationConfig(), tmp_path / "out", now=NOW)
    assert {"interactions_item_key_type", "item_known", "item_key_filled"} <= broken(verdict)


def test_optional_columns_may_be_absent(tmp_path: Path):
    tables = good()
    plain = tables.interactions.drop("basket_key", "event_type", "weight")
    snapshot = write_snapshot(replace(tables, interactions=plain), tmp_path)
    assert broken(check(snapshot, tmp_path)) == set()


def test_an_empty_snapshot_fails(tmp_path: Path):
    verdict = check(damaged(tmp_path, good().interactions.clear()), tmp_path)
    assert "enough_rows" in {result.name for result in verdict.failed}


@pytest.mark.slow
@pytest.mark.parametrize(("users", "passed"), [(9, False), (10, True), (40, True), (41, False)])
def test_the_volume_is_compared_with_the_previous_snapshot(users: int, passed: bool, tmp_path: Path):
    # 20 users before: half of them and twice as many are the ends of the default range.
    previous = write_snapshot(good(), tmp_path / "before")
    snapshot = write_snapshot(planted_tables(users, 15, 5), tmp_path)
    verdict = check(snapshot, tmp_path, previous=previous)
    assert ("volume" not in broken(verdict)) == passed


def test_old_data_fails_where_freshness_is_asked_for(tmp_path: Path):
    # the newest event is within 5 hours of START, 40 days before NOW.
    snapshot = write_snapshot(good(), tmp_path)
    assert broken(check(snapshot, tmp_path, max_age_days=39)) == {"freshness"}
    assert broken(check(snapshot, tmp_path, max_age_days=40)) == set()


def test_items_without_words_are_a_warning(tmp_path: Path):
    tables = good()
    bare = tables.items.with_columns(
        pl.when(pl.int_range(pl.len()) < 5).then(pl.lit("")).otherwise(pl.col(name)).alias(name)
        for name in tables.text_fields
    )
    verdict = check(write_snapshot(replace(tables, items=bare), tmp_path), tmp_path)
    assert verdict.passed
    assert [(warning.name, warning.observed) for warning in verdict.warnings] == [
        ("items_described", "0.6667")
    ]


def test_a_severity_can_be_changed_by_name(tmp_path: Path):
    snapshot = damaged(tmp_path, events_with({("weight", 7): -1.0}))
    verdict = check(snapshot, tmp_path, severities={"weight_in_range": "warning"})
    assert verdict.passed
    assert [warning.name for warning in verdict.warnings] == ["weight_in_range"]


def test_an_unknown_check_in_the_severities_is_refused():
    with pytest.raises(ValidationError, match=r"a check must be one of .* but got 'wieght_in_range'"):
        ValidationConfig(severities={"wieght_in_range": "warning"})


def test_the_bounds_take_whole_days():
    config = ValidationConfig(earliest="2020-01-01", latest="2020-01-02")
    assert config.bounds(now=0) == Bounds(1_577_836_800, 1_577_836_800 + 2 * 86_400 - 1)


def test_data_docs_and_the_report_are_on_disk(tmp_path: Path):
    verdict = check(damaged(tmp_path, events_with({("weight", 7): -1.0})), tmp_path)
    assert "interactions" in verdict.docs.read_text()
    page = verdict.report.read_text()
    assert 'class="red"' in page
    assert "1 of 100 rows break it, e.g. -1" in page
    assert 'href="offending_rows.parquet"' in page


def test_the_report_needs_no_network(tmp_path: Path):
    page = check(write_snapshot(good(), tmp_path), tmp_path).report.read_text()
    assert "http" not in page
    assert "<script" not in page
    assert 'class="green"' in page


def test_what_a_source_says_of_itself_cannot_become_markup(tmp_path: Path):
    snapshot = damaged(tmp_path, events_with({("item_key", 7): "<b>boo</b>"}))
    snapshot = replace(snapshot, manifest=replace(snapshot.manifest, source="<script>alert(1)</script>"))
    page = check(snapshot, tmp_path).report.read_text()
    assert "<script" not in page
    assert "<b>boo" not in page


def test_the_verdict_becomes_json(tmp_path: Path):
    verdict = check(write_snapshot(good(), tmp_path), tmp_path)
    again = json.loads(json.dumps(verdict.to_dict()))
    assert again["report"] == str(verdict.report)
    assert again["checks"][0] == asdict(verdict.checks[0])
