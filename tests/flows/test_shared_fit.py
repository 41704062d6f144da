"""The train step on several processes and on a Ray cluster of two nodes, each as a process of its own."""

import importlib.util
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from data.snapshot import write_snapshot
from data.sources import load as load_source
from flows.compute.config import ComputeConfig
from flows.compute.ray_job import RayJob
from flows.compute.shared_fit import Fit, processes_for, ran_on
from flows.config import load
from flows.environment import Home
from flows.files import write_json
from flows.retraining.context import Context
from flows.steps import Artefact
from flows.tasks.split import open_window, split
from flows.tasks.tokenizer import fit_tokenizer
from models import bundle
from validation.evaluation.evaluate import evaluate

from .conftest import SMOKE

SCRIPT = Path(__file__).with_name("train_step.py")
WAIT = 500


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """A home with snapshot, window, codes and the outcome of a study; copied for each training."""
    folder = tmp_path_factory.mktemp("prepared")
    config, home = load(SMOKE), Home(folder)
    snapshot = write_snapshot(load_source(config.source), home.snapshots)
    given = Artefact(str(snapshot.path), snapshot.digest)
    run = Context(config, home, None, given, "", "")
    window = split.fn(run=run, snapshot=given, name="test", windows=config.windows, filters=config.filters)
    learning = {"encoder": config.encoder, "tokenizer": config.tokenizer, "served": None, "champion": None}
    codes = fit_tokenizer.fn(run=run, name="test", window=window, seed=0, threads=1, **learning)
    write_json(folder / "best" / "best.json", {"params": {}, "epochs": 16})
    artefacts = {"snapshot": given, "window": window, "codes": codes}
    named = {name: [each.path, each.digest] for name, each in artefacts.items()}
    named["best"] = [str(folder / "best"), "best"]
    write_json(folder / "asked.json", {"config": str(SMOKE), "artefacts": named})
    return folder


def started(home: Path, *words: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(home), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_an_epoch(home: Path, process: "subprocess.Popen[str]") -> None:
    while not list(home.glob("work/train-*.draft/notes/checkpoint.safetensors")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def ended(process: "subprocess.Popen[str]") -> tuple[str, Path]:
    said, trouble = process.communicate(timeout=WAIT)
    assert process.returncode == 0, trouble
    digest, folder = json.loads(said.splitlines()[-1])
    return digest, Path(folder)


@pytest.fixture(scope="module")
def shared(prepared) -> tuple[str, Path]:
    """Digest and folder of what two processes train, undisturbed."""
    return ended(started(prepared, 2))


def ndcg(prepared: Path, trained: Path) -> float:
    named = json.loads((prepared / "asked.json").read_text())["artefacts"]
    run: Any = Context(load(SMOKE), Home(prepared), None, Artefact(*named["snapshot"]), "", "")
    window = open_window(run, Artefact(*named["window"]))
    recommender = bundle.load(trained / "bundle").recommender
    return evaluate(recommender, window, family="trie-pointer", ks=(10,))[0].mean("ndcg@10")


@pytest.mark.slow
@pytest.mark.timeout(WAIT)
def test_two_processes_reach_the_metric_of_one(prepared, shared):
    alone = ended(started(prepared, 1))
    assert alone[0] != shared[0], "dropout differs, and sums are added in another order"
    assert ndcg(prepared, shared[1]) == pytest.approx(ndcg(prepared, alone[1]), abs=0.02)
    note = json.loads((shared[1] / "notes" / "ran_on.json").read_text())
    assert note == {"processes": 2, "asked_for": 2, "where": "this machine"}


@pytest.mark.slow
@pytest.mark.timeout(WAIT)
def test_a_killed_rank_ends_the_training_and_the_next_start_ends_in_the_same_bits(prepared, shared, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(prepared, home, ignore=shutil.ignore_patterns("train-*"))
    process = started(home, 2)
    wait_for_an_epoch(home, process)
    ranks = [
        child
        for child in psutil.Process(process.pid).children()
        if "spawn_main" in " ".join(child.cmdline()) and "resource_tracker" not in " ".join(child.cmdline())
    ]
    assert len(ranks) == 2
    ranks[1].kill()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "RankFailed" in said
    assert "was killed (exit code -9)" in said
    assert not any(rank.is_running() for rank in ranks)
    assert ended(started(home, 2))[0] == shared[0]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Address of a Ray cluster of two nodes of one CPU each, both on this machine."""
    pytest.importorskip("ray", reason="Ray is not installed (pip install 'encore[ray]')")
    from ray.cluster_utils import Cluster

    small = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_AUTH_MODE", "disabled")  # else a token of the user's home is asked for
    others = psutil.Process().children(recursive=True)  # a Prefect server of other tests, for one
    nodes = Cluster(initialize_head=True, head_node_args=small)
    nodes.add_node(num_cpus=1, object_store_memory=100 * 2**20)
    workers = [child for child in psutil.Process().children(recursive=True) if child not in others]
    assert workers
    yield nodes.address
    nodes.shutdown()
    patch.undo()
    assert not psutil.wait_procs(workers, timeout=30)[1], "nothing of Ray is left"


@pytest.mark.slow
@pytest.mark.timeout(WAIT)
def test_a_ray_job_killed_and_started_again_leaves_the_bundle_of_two_local_processes(
    prepared, shared, cluster, tmp_path
):
    home = tmp_path / "home"
    shutil.copytree(prepared, home, ignore=shutil.ignore_patterns("train-*"))
    first = started(home, 2, cluster)
    wait_for_an_epoch(home, first)
    ranks = [
        each for each in psutil.Process().children(recursive=True) if "RayRank" in "".join(each.cmdline())
    ]
    assert len(ranks) == 2
    ranks[1].kill()
    _, said = first.communicate(timeout=WAIT)
    assert first.returncode == 1
    assert "RankFailed: 2 processes train together and must all go on, but rank" in said
    assert "was killed" in said

    digest, folder = ended(started(home, 2, cluster))
    assert digest == shared[0]
    assert json.loads((folder / "notes" / "ran_on.json").read_text())["where"] == "ray"


@pytest.mark.slow
@pytest.mark.timeout(WAIT)
def test_a_cluster_that_is_too_small_says_so(prepared, cluster, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(prepared, home, ignore=shutil.ignore_patterns("train-*"))
    said = started(home, 3, cluster).communicate(timeout=WAIT)[1]
    assert "processes = 3 with threads = 1 each must fit on the cluster, but its 2 nodes hold 2" in said


def job(address: str) -> RayJob:
    return RayJob(None, Fit("trie-pointer", {}, 0, 1, None), None, None, 2, address)


def test_without_ray_the_job_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"needs the package ray, but it is not installed: pip install 'encore\[ray\]'"
    ):
        job("127.0.0.1:1").submit(watch=print, checkpoint=tmp_path / "c")


def test_a_cluster_that_does_not_answer_is_an_error_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    with pytest.raises(
        ValueError, match=r"'127.0.0.1:1' does not answer .*: start one with `ray start --head`"
    ):
        job("127.0.0.1:1").submit(watch=print, checkpoint=tmp_path / "c")


def test_a_family_that_cannot_share_is_trained_by_one_and_it_is_said(caplog):
    assert processes_for("trie-pointer", 2) == 2
    assert processes_for("popularity", 2) == 1
    assert not caplog.records, "nothing is lost by a family that only counts"
    assert processes_for("sasrec", 2) == 1
    assert "event=trained_alone what=sasrec asked=2 processes=1" in caplog.text
    assert ran_on(ComputeConfig(processes=2, ray="auto"), "sasrec", 1)["where"] == "this machine"
