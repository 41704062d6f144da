"""The smoke run in homes of its own, started as a user starts it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows import fingerprint
from flows.commands.up import prefect_server
from flows.environment import Home
from serving.process import free_port

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ROOT / "configs" / "smoke.toml"

Encore = Callable[..., "subprocess.Popen[str]"]


def environment_of(home: Path, **more: str) -> dict[str, str]:
    """What a shell would have whose only setting is ENCORE_HOME."""
    places = ("PREFECT_HOME", "BENTOML_HOME", "ENCORE_EVENTS", "ENCORE_HOME")
    plain = {name: value for name, value in os.environ.items() if name not in places}
    return {**plain, "ENCORE_HOME": str(home), "COLUMNS": "100", **more}


@pytest.fixture(scope="session")
def encore() -> Encore:
    """Start `encore ARGUMENTS` in a home."""

    def start(home: Path, *arguments: str, **more: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", "from flows.cli import main; main()", *arguments],
            cwd=ROOT,
            env=environment_of(home, **more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return start


@dataclass(frozen=True)
class Finished:
    """A home in which the smoke run ended undisturbed, what it said, and the digests it left."""

    home: Path
    said: str
    artefacts: dict[str, str]


def artefacts(home: Path) -> dict[str, str]:
    """Digest of each step's folder; the check of the data is left out, it carries the day."""
    folders = (home / "work").iterdir()
    return {
        each.name: fingerprint.of_folder(each) for each in folders if not each.name.startswith("validate")
    }


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real Prefect server's API; without it a run starts one of its own."""
    with prefect_server(Home(tmp_path_factory.mktemp("prefect")), free_port()) as url:
        yield f"{url}/api"


@pytest.fixture(scope="session")
def finished(encore: Encore, server: str, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The smoke run, once for all tests."""
    home = tmp_path_factory.mktemp("finished")
    process = encore(home, "retrain", str(SMOKE), PREFECT_API_URL=server)
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    return Finished(home, said, artefacts(home))
