"""Drift: planted changes are found, chance is not."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from data.interactions import SECONDS_PER_DAY
from data.snapshot import write_snapshot
from data.synthetic import planted_tables
from data.tables import Tables
from validation.drift.config import DriftConfig, Level, Limits
from validation.drift.measures import Measure, drift, level_of

N_USERS, N_ITEMS, LENGTH = 400, 50, 20
CONFIG = DriftConfig(days=1)


def tables(seed: int = 0, **settings) -> Tables:
    return planted_tables(N_USERS, N_ITEMS, LENGTH, seed=seed, **settings)


def measured(tmp_path, before: Tables, now: Tables, config: DriftConfig = CONFIG) -> dict[str, Measure]:
    snapshots = [write_snapshot(each, tmp_path) for each in (before, now)]
    return {each.name: each for each in drift(*snapshots, config)}


def events_of(given: Tables, frame: pl.DataFrame) -> Tables:
    return replace(given, interactions=frame)


def test_the_same_data_and_another_sample_of_it_are_fine(tmp_path):
    for other in (tables(), tables(seed=1)):
        found = measured(tmp_path, tables(), other)
        assert {each.level for each in found.values()} == {Level.FINE}, found


def test_a_shift_towards_some_items_is_seen_in_items_and_their_category(tmp_path):
    now, rng = tables(seed=1), np.random.default_rng(0)
    first = now.items["item_key"][0]
    events = now.interactions.with_columns(
        item_key=pl.when(pl.Series(rng.random(now.interactions.height) < 0.3))
        .then(pl.lit(first))
        .otherwise("item_key")
    )
    found = measured(tmp_path, tables(), events_of(now, events))
    assert found["items"].level is Level.RETRAIN
    assert found["category category"].level is Level.RETRAIN
    assert found["items"].now.startswith(f"{first} 3")
    assert found["volume"].level is Level.FINE


def test_more_events_a_day_and_longer_histories(tmp_path):
    now = tables(seed=1)
    twice = now.interactions.with_columns(timestamp=pl.col("timestamp") + 1)
    found = measured(tmp_path, tables(), events_of(now, pl.concat([now.interactions, twice])))
    assert found["volume"].value == pytest.approx(1)
    assert found["volume"].level is Level.RETRAIN
    assert found["lengths"].level is Level.ALERT
    assert found["repeats"].value == pytest.approx(0.5)


def test_only_the_newest_days_count(tmp_path):
    old = tables().interactions.with_columns(timestamp=pl.col("timestamp") - 30 * SECONDS_PER_DAY)
    now = tables(seed=1)
    found = measured(tmp_path, tables(), events_of(now, pl.concat([old, now.interactions])))
    assert found["volume"].value == pytest.approx(0, abs=0.01)


def test_new_items_with_new_words(tmp_path):
    now = tables(seed=1)
    known = now.items.height
    fresh = now.items.head(10).with_columns(
        item_key=pl.concat_str(pl.lit("new"), "item_key"), name=pl.lit("quantum flux")
    )
    events = now.interactions.with_columns(
        item_key=pl.when(pl.int_range(pl.len()) % 4 == 0)
        .then(pl.lit(fresh["item_key"][0]))
        .otherwise("item_key")
    )
    grown = replace(now, interactions=events, items=pl.concat([now.items, fresh]))
    found = measured(tmp_path, tables(), grown)
    assert found["new items"].value == pytest.approx(0.25, abs=0.01)
    assert found["new items"].before == f"{known} items"
    assert found["new words"].value > 0.3  # category words are known, quantum and flux are not


def test_a_column_that_went_calls_for_a_person(tmp_path):
    now = tables(seed=1)
    found = measured(
        tmp_path, tables(), replace(now, items=now.items.drop("category"), text_fields=("name",))
    )
    assert found["columns"].level is Level.ALERT
    assert found["columns"].now == "items.category"


def test_what_calls_for_the_most_comes_first_and_decides(tmp_path):
    now = tables(seed=1)
    gone = replace(now, items=now.items.drop("category"), text_fields=("name",))
    measures = drift(*(write_snapshot(each, tmp_path) for each in (tables(), gone)), CONFIG)
    assert measures[0].name == "columns"
    assert level_of(measures) is Level.ALERT
    assert level_of([]) is Level.FINE


@pytest.mark.parametrize(
    ("value", "level"),
    [(0.1, Level.FINE), (0.2, Level.RETRAIN), (0.5, Level.ALERT), (float("nan"), Level.ALERT)],
)
def test_limits_include_their_value(value, level):
    assert Limits(retrain=0.2, alert=0.5).level(value) is level
