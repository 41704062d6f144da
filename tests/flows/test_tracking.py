"""MLflow holds one tree of runs a retrain, found again after a kill."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.tracking.tracker import Tracker


@pytest.fixture(scope="module")
def tracker(tmp_path_factory) -> Tracker:
    folder: Path = tmp_path_factory.mktemp("mlflow")
    return Tracker(f"sqlite:///{folder / 'mlflow.db'}", (folder / "runs").as_uri())


def test_a_run_is_continued_by_its_key(tracker):
    first = tracker.open("k1", kind="parent", name="retrain k1")
    tracker.close(first, "KILLED")
    assert tracker.open("k1", kind="parent", name="retrain k1", tags={"snapshot": "s"}) == first
    run = tracker.client.get_run(first)
    assert (run.info.status, run.data.tags["snapshot"], run.data.tags["kind"]) == ("RUNNING", "s", "parent")


def test_a_fresh_run_closes_the_one_that_was_killed(tracker):
    parent = tracker.open("k2", kind="parent", name="retrain k2")
    old = tracker.open("k2/a/0", kind="trial", name="a · trial 0", parent=parent, fresh=True)
    new = tracker.open("k2/a/0", kind="trial", name="a · trial 0", parent=parent, fresh=True)
    assert old != new
    assert tracker.client.get_run(old).info.status == "KILLED"
    assert {run.info.run_id for run in tracker.children(parent)} == {old, new}


def test_open_children_of_all_levels_are_closed(tracker):
    parent = tracker.open("k3", kind="parent", name="retrain k3")
    family = tracker.open("k3/a", kind="family", name="a", parent=parent)
    trial = tracker.open("k3/a/0", kind="trial", name="a · trial 0", parent=family)
    assert tracker.close_children(parent) == 2
    assert {tracker.client.get_run(run).info.status for run in (family, trial)} == {"KILLED"}


def test_params_metrics_and_data_are_kept_and_may_be_logged_twice(tracker):
    run = tracker.open("k4", kind="parent", name="retrain k4")
    for _ in range(2):
        tracker.params(run, {"gate": {"min_gain": 0.02}, "seed": 1})
        tracker.metrics(run, {"valid.ndcg_at_10": 0.25}, step=3)
        tracker.data(
            run, name="x", digest="d" * 64, source="var/x", context="training", profile={"events": 3}
        )
    stored = tracker.client.get_run(run)
    assert stored.data.params == {"gate.min_gain": "0.02", "seed": "1"}
    assert stored.data.metrics == {"valid.ndcg_at_10": 0.25}
    assert [given.dataset.digest for given in stored.inputs.dataset_inputs] == ["d" * 36]


def test_a_bundle_is_registered_once_and_the_alias_moves(tracker, tmp_path):
    (tmp_path / "bundle.json").write_text("{}")
    run = tracker.open("k5", kind="parent", name="retrain k5")
    first = tracker.register(run, tmp_path, "d1", {"family": "a"})
    assert tracker.register(run, tmp_path, "d1", {"family": "a"}) == first
    second = tracker.register(run, tmp_path, "d2", {"family": "a"})
    tracker.point("champion", first)
    tracker.point("champion", second)
    assert tracker.pointed("champion") == second
    tracker.point("champion", "")
    assert tracker.pointed("champion") == ""


@pytest.mark.slow
def test_a_store_that_was_killed_while_it_was_made_is_made_anew(tmp_path):
    file = tmp_path / "mlflow.db"
    make = f"from flows.tracking.tracker import make_store; make_store('sqlite:///{file}')"
    draft = file.with_name("mlflow.db.draft")
    for size in (1, 50_000, 200_000):  # bytes of the half-made file
        process = subprocess.Popen([sys.executable, "-c", make], cwd=Path(__file__).parents[2])
        while process.poll() is None and not (draft.exists() and draft.stat().st_size >= size):
            time.sleep(0.002)
        process.kill()
        assert process.wait() != 0, "it was made before it could be killed"
        assert not file.exists()
    assert Tracker(f"sqlite:///{file}", (tmp_path / "runs").as_uri()).pointed("champion") == ""
    assert file.exists()
    assert not draft.exists()
