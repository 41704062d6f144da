"""Every test runs with telemetry off and in a home of its own, whatever the caller's environment says."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows import environment

_SCRATCH = tempfile.TemporaryDirectory(prefix="encore-tests-")
for _name in (
    "ENCORE_HOME",
    "ENCORE_LEDGER_URL",
    "ENCORE_STUDIES_URL",
    "ENCORE_TOKEN",
    "BENTOML_HOME",
    "MLFLOW_TRACKING_URI",
    "PREFECT_API_URL",
    "PREFECT_HOME",
):
    os.environ.pop(_name, None)
os.environ["PREFECT_LOGGING_LEVEL"] = "WARNING"
environment.prepare(Path(_SCRATCH.name))  # before any vendor is imported


@pytest.fixture(scope="session", autouse=True)
def _scratch() -> Iterator[None]:
    """Remove the home of the session at its end."""
    yield
    _SCRATCH.cleanup()
