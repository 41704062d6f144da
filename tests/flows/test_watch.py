"""What a look at the source calls for: nothing twice, drift before volume, a person last."""

from dataclasses import replace

import pytest

from data.snapshot import write_snapshot
from data.synthetic import planted_tables
from flows.config import load
from flows.environment import Home
from flows.files import write_json
from flows.record.last_run import LastRun, alone, is_running, last_run
from flows.schedule import watch as watching
from flows.schedule.watch import Finding, look

from .conftest import SMOKE

CONFIG = load(SMOKE)
CALM = CONFIG.model_copy(update={"schedule": CONFIG.schedule.model_copy(update={"new_events": 100})})


def snapshot(home, n_users=50, **more):
    return write_snapshot(planted_tables(n_users, 20, 10, **more), home.snapshots)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def retrained(home, data, trigger="by clock"):
    with alone(home, "smoke", data.digest, data.manifest.n_interactions, trigger):
        pass


def serve(home, data):
    release = dict.fromkeys(
        ("bento", "bundle", "bundle_path", "version", "family", "run_id", "generation"), "x"
    )
    write_json(home.pointer, release | {"snapshot": data.digest})


def test_the_first_data_are_new_data(home):
    seen = look(CONFIG, home, snapshot(home))
    assert seen == watching.Seen(Finding.NEW_DATA, "+500 events since the last retraining, 500 in all.")


def test_the_same_data_call_for_nothing_however_the_run_ended(home):
    data = snapshot(home)
    retrained(home, data)
    assert look(CONFIG, home, data).finding == Finding.NOTHING
    with pytest.raises(ValueError, match="broken"), alone(home, "smoke", data.digest, 500, "by clock"):
        raise ValueError("broken")
    assert last_run(home).state == "failed"
    assert look(CONFIG, home, data).finding == Finding.NOTHING


def test_a_run_that_died_is_started_again(home):
    data = snapshot(home)
    retrained(home, data)
    killed = replace(last_run(home), state="running")  # what a kill leaves behind
    write_json(home.last_run, {name: getattr(killed, name) for name in LastRun.__slots__})
    seen = look(CONFIG, home, data)
    assert seen == watching.Seen(Finding.UNFINISHED, "The run started by clock died.")


@pytest.mark.parametrize(
    ("n_users", "finding"), [(59, Finding.NOTHING), (60, Finding.NEW_DATA), (45, Finding.NEW_DATA)]
)
def test_enough_must_be_new_or_something_gone(home, n_users, finding):
    retrained(home, snapshot(home, 50))  # ten events each
    assert look(CALM, home, snapshot(home, n_users)).finding == finding


def test_drift_counts_before_volume(home):
    data = snapshot(home)
    serve(home, data)
    retrained(home, data)
    moved = snapshot(home, 50, noise=0.9, seed=5)
    limits = CALM.drift.model_copy(update={"items": CALM.drift.items.model_copy(update={"retrain": 0.0})})
    seen = look(CALM.model_copy(update={"drift": limits}), home, moved)
    assert seen.finding == Finding.DRIFT
    assert "items" in seen.reason


def test_a_jump_in_volume_is_for_a_person(home):
    data = snapshot(home)
    serve(home, data)
    retrained(home, data)
    seen = look(CONFIG, home, snapshot(home, 300))  # six times the events a day, the limit is four
    assert seen.finding == Finding.ALERT
    assert "volume" in seen.reason


def test_only_one_retraining_works_in_a_home(home):
    assert not is_running(home)
    with alone(home, "smoke", "abc", 1, "by hand"):
        assert is_running(home)
        assert last_run(home).state == "running"
    assert not is_running(home)
    assert last_run(home).state == "finished"
