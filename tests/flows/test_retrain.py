"""The smoke run, end to end, as a user starts it."""

import os
import signal
import time
from pathlib import Path

import pytest

from flows.record.ledger import Ledger
from flows.record.promotion import ALIAS, pointed
from flows.tracking.tracker import Tracker

from .conftest import SMOKE, artefacts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FAMILIES = {"popularity", "transitions", "trie-pointer"}


def tracker_of(home: Path) -> Tracker:
    return Tracker(f"sqlite:///{home / 'mlflow.db'}", (home / "runs").as_uri())


def test_alias_pointer_and_ledger_name_the_same_release(finished):
    home, said = finished.home, finished.said
    release, entries = pointed(home / "serving.json"), Ledger(f"sqlite:///{home / 'ledger.db'}").entries()
    assert release is not None
    assert [(entry.action, entry.to_bento) for entry in entries] == [("promote", release.bento)]
    assert tracker_of(home).pointed(ALIAS) == release.version
    assert f"Promoted {release.bento}" in said


def test_the_run_is_one_tree_in_mlflow(finished):
    home = finished.home
    tracker, release = tracker_of(home), pointed(home / "serving.json")
    parent = tracker.client.get_run(release.run_id)
    families = {run.info.run_name: run for run in tracker.children(release.run_id)}
    assert set(families) == FAMILIES
    assert all("test.ndcg_at_10" in run.data.metrics for run in families.values())
    assert {run.info.status for run in families.values()} | {parent.info.status} == {"FINISHED"}
    for run in families.values():
        assert len(tracker.children(run.info.run_id)) == 2  # trials, the same number for every family
    assert [given.dataset.name for given in parent.inputs.dataset_inputs] == ["smoke valid", "smoke test"]
    pictures = {file.path for file in tracker.client.list_artifacts(release.run_id, "plots")}
    assert pictures == {"plots/families.png", "plots/code_use.png"}
    assert {parent.data.tags[name] != "" for name in ("commit", "snapshot", "generation", "protocol")} == {
        True
    }
    assert any(name.startswith("system/") for name in parent.data.metrics)


def test_a_second_run_changes_nothing(finished, encore, server):
    home = finished.home
    process = encore(home, "retrain", str(SMOKE), PREFECT_API_URL=server)
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    assert "is the champion already" in said
    new = artefacts(home).items() - finished.artefacts.items()  # now there is a champion to compare with
    assert sorted(name.rpartition("-")[0] for name, _ in new) == ["evaluate-champion", "judge", "limits"]
    assert finished.artefacts.items() <= artefacts(home).items()
    assert len(Ledger(f"sqlite:///{home / 'ledger.db'}").entries()) == 1


MOMENTS = (
    "snapshots/*/manifest.json",  # after ingest
    "work/tune-trie-pointer-*.draft/notes/trial-0.json",  # in the middle of a study
    "work/train-trie-pointer-*.draft/notes/checkpoint.safetensors",  # in the middle of a training
    "work/judge-*/verdict.json",  # before the package
    "logs/proof.log",  # while the Bento answers
)


def test_a_run_killed_again_and_again_ends_in_the_same_artefacts(finished, encore, server, tmp_path):
    for moment in MOMENTS:
        process = encore(tmp_path, "retrain", str(SMOKE), PREFECT_API_URL=server)
        deadline = time.monotonic() + 300
        while not list(tmp_path.glob(moment)) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    process = encore(tmp_path, "retrain", str(SMOKE), PREFECT_API_URL=server)
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    assert artefacts(tmp_path) == finished.artefacts
    killed, whole = (pointed(home / "serving.json") for home in (tmp_path, finished.home))
    assert (killed.bundle, killed.bento) == (whole.bundle, whole.bento)
    assert len(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}").entries()) == 1


def test_a_deleted_artefact_is_made_again(finished, encore, server, tmp_path):
    home = finished.home
    for folder in (home / "work").glob("train-transitions-*"):
        folder.rename(tmp_path / folder.name)
    process = encore(home, "retrain", str(SMOKE), PREFECT_API_URL=server)
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    assert finished.artefacts.items() <= artefacts(home).items()
