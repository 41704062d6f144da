"""Trouble that passes: a full disk, a locked database, servers that are away for a while.

After each the same command must end in what an undisturbed run ends in, with one promotion on record.
"""

import shutil
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from flows.commands.up import mlflow_server, prefect_server
from flows.environment import Home
from flows.record.ledger import Ledger
from flows.record.promotion import pointed
from serving.process import free_port

from .conftest import SMOKE, Finished, artefacts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
AWAY_SECONDS = 8.0


def appears(home, moment, process):
    """Wait until a file is there; fails with what the run said if it ended before."""
    deadline = time.monotonic() + 300
    while not list(home.glob(moment)):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, moment
        time.sleep(0.02)


def ends(encore, home, **own):
    """Start the run once more, or what is left of it; it must end well."""
    process = encore(home, "retrain", str(SMOKE), **own)
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said


def assert_as_undisturbed(home: Path, finished: Finished) -> None:
    """Same bytes of every step, same champion, one promotion."""
    assert finished.artefacts.items() <= artefacts(home).items()
    here, there = pointed(home / "serving.json"), pointed(finished.home / "serving.json")
    assert (here.bundle, here.bento) == (there.bundle, there.bento)
    assert [entry.action for entry in Ledger(f"sqlite:///{home / 'ledger.db'}").entries()] == ["promote"]


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of its own and a function that gives it a size in MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"a small disk needs the right to mount: {made.stderr.strip()}")

    def resize(mib):
        subprocess.run(["mount", "-o", f"remount,size={mib}m", folder], check=True)

    yield folder, resize
    subprocess.run(["umount", "-l", folder], check=True)


@contextmanager
def both_servers(home, ports):
    """Prefect's and MLflow's server, as a run is told where they are."""
    with prefect_server(home, ports[0]) as prefect, mlflow_server(home, ports[1]) as mlflow:
        yield {"PREFECT_API_URL": f"{prefect}/api", "MLFLOW_TRACKING_URI": mlflow}


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount")
def test_a_disk_that_was_full_and_got_larger(small_disk, finished, encore, server):
    home, resize = small_disk
    for mib in (2, 4, 9):
        resize(mib)
        process = encore(home, "retrain", str(SMOKE), PREFECT_API_URL=server)
        said, _ = process.communicate(timeout=400)
        assert process.returncode != 0, f"{mib} MiB were enough: {said}"
        assert "Promoted" not in said
        assert not (home / "serving.json").exists()
    resize(200)
    ends(encore, home, PREFECT_API_URL=server)
    assert_as_undisturbed(home, finished)


def test_databases_that_somebody_else_holds_for_a_while(finished, encore, server, tmp_path):
    process = encore(tmp_path, "retrain", str(SMOKE), PREFECT_API_URL=server)
    appears(tmp_path, "work/fit-tokenizer-*", process)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(AWAY_SECONDS)
        other.rollback()
    process.communicate(timeout=400)
    ends(encore, tmp_path, PREFECT_API_URL=server)
    assert_as_undisturbed(tmp_path, finished)


def test_servers_that_are_away_for_a_while(finished, encore, tmp_path):
    servers, ports = Home(tmp_path / "servers"), (free_port(), free_port())
    home = tmp_path / "home"
    own = {"MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1"}  # the default waits four minutes in all
    with both_servers(servers, ports) as urls:
        process = encore(home, "retrain", str(SMOKE), **own, **urls)
        appears(home, "work/tune-popularity-*", process)
    time.sleep(AWAY_SECONDS)
    assert process.poll() is None, process.communicate()[0]
    with both_servers(servers, ports):
        said, _ = process.communicate(timeout=400)
        assert process.returncode == 0, said
    assert_as_undisturbed(home, finished)
