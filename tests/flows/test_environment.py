"""Folders and switches are decided in one place."""

import os
import subprocess
import sys

import pytest

from flows import environment
from flows.environment import Home


def test_switches_are_defaults_and_never_override(monkeypatch, tmp_path):
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY", raising=False)
    monkeypatch.delenv("ENCORE_EVENTS", raising=False)
    monkeypatch.setenv("ENCORE_HOME", "elsewhere")
    environment.prepare(tmp_path)
    assert os.environ["DO_NOT_TRACK"] == "0"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert environment.home() == Home(tmp_path)
    assert os.environ["ENCORE_EVENTS"] == f"{tmp_path}/events.db"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have another OpenMP")
def test_threads_that_wait_give_their_core_away_soon(tmp_path):
    names = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}
    plain = {name: value for name, value in os.environ.items() if name not in names}
    says = subprocess.run(
        [sys.executable, "-c", "from flows.environment import prepare; prepare(); import torch"],
        env={**plain, "ENCORE_HOME": str(tmp_path), "OMP_DISPLAY_ENV": "verbose"},
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    ).stderr
    assert "GOMP_SPINCOUNT = '1000'" in says


def test_stores_are_below_the_home_unless_an_address_is_given(monkeypatch, tmp_path):
    home = Home(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "ENCORE_STUDIES_URL", "ENCORE_LEDGER_URL"):
        monkeypatch.delenv(name, raising=False)
    assert home.tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert home.studies_url is None
    monkeypatch.delenv("ENCORE_EVENTS", raising=False)
    assert home.ledger_url == f"sqlite:///{tmp_path}/ledger.db"
    assert home.events == f"{tmp_path}/events.db"
    monkeypatch.setenv("ENCORE_LEDGER_URL", "postgresql://db/encore")
    assert home.ledger_url == "postgresql://db/encore"


def test_who_acts_can_be_named(monkeypatch):
    monkeypatch.setenv("ENCORE_WHO", "ada")
    assert environment.who() == "ada"
