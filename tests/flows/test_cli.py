"""The command line explains itself, quickly, and tells a mistake in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = ("retrain", "validate", "drift", "evaluate", "benchmark", "schedule", "serve", "recommend", "up")
COMMANDS += ("history", "promote", "rollback", "trial")


def run(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from flows.cli import main; main()", *arguments]
    environment = {**os.environ, "ENCORE_HOME": str(home), "COLUMNS": "100"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_help_lists_every_command_and_makes_no_folder(tmp_path):
    said = run(tmp_path / "home", "--help")
    assert said.returncode == 0
    assert all(f" {command} " in said.stdout for command in COMMANDS)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(tmp_path, command):
    said = run(tmp_path, command, "--help")
    assert f"encore {command}" in said.stdout
    assert "Example:" in said.stdout


def test_help_loads_no_heavy_library(tmp_path):
    command = [sys.executable, "-X", "importtime", "-c", "from flows.cli import main; main()", "--help"]
    environment = {**os.environ, "ENCORE_HOME": str(tmp_path)}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in said.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"torch", "prefect", "mlflow", "optuna", "polars", "numpy", "bentoml", "pandas"}


def test_a_missing_config_is_one_line_and_exit_code_two(tmp_path):
    said = run(tmp_path, "retrain", "nope.toml")
    assert (said.returncode, said.stderr.count("\n")) == (2, 1)
    assert said.stderr.startswith("encore: nope.toml: a run needs a TOML file")


def test_an_unknown_option_is_exit_code_two(tmp_path):
    assert run(tmp_path, "retrain", "--nope").returncode == 2


def test_without_a_champion_serve_says_what_to_do(tmp_path):
    said = run(tmp_path, "serve")
    assert said.returncode == 1
    assert "nothing was promoted yet: run `encore retrain` first" in said.stderr


def test_a_trial_that_nobody_served_says_how_to_serve_one(tmp_path):
    said = run(tmp_path, "trial")
    assert said.returncode == 1
    assert "serve one with `encore serve --challenger WHAT --canary 0.1`" in said.stderr


def test_an_empty_ledger_says_what_to_do(tmp_path):
    assert "Next: encore retrain" in run(tmp_path, "history").stdout


def test_rollback_without_a_past_is_refused(tmp_path):
    said = run(tmp_path, "rollback", "--reason", "x")
    assert said.returncode == 1
    assert "rollback needs an earlier champion" in said.stderr


def test_a_schedule_without_a_server_says_how_to_get_one(tmp_path):
    os.environ["PREFECT_API_URL"] = "http://127.0.0.1:9/api"
    try:
        said = run(tmp_path, "schedule")
    finally:
        del os.environ["PREFECT_API_URL"]
    assert said.returncode == 1
    assert "a schedule needs a Prefect server" in said.stderr
