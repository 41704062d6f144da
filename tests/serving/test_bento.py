"""A real Bento: what is in it, and that building it again changes nothing."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from models.bundle import Bundle, digest, save
from serving import bento
from serving.bento import BentoInfo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_the_interpreter_of_the_service_does_not_know_this_project(stranger: str) -> None:
    done = subprocess.run([stranger, "-c", "import serving"], cwd="/", capture_output=True, check=False)
    assert done.returncode != 0
    assert b"No module named 'serving'" in done.stderr


def test_a_bento_holds_the_bundle_and_the_layers_below_serving_only(built: BentoInfo) -> None:
    source = built.path / "src"
    assert {path.name for path in source.iterdir()} == {
        "bentofile.yaml", "bundle", "data", "lineage.json", "models", "serving"
    }  # fmt: skip
    assert digest(source / "bundle") in (built.path / "bento.yaml").read_text()
    imported = re.compile(r"^\s*(?:from|import) (?:flows|validation)\b", re.MULTILINE)
    assert not [path for path in source.rglob("*.py") if imported.search(path.read_text())]


def test_a_bento_pins_its_requirements_without_a_machine_in_them(built: BentoInfo) -> None:
    lines = (built.path / "env" / "python" / "requirements.txt").read_text().split()
    assert "torch==2.13.0" in lines
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", line) for line in lines)
    names = {line.partition("==")[0] for line in lines}
    assert {"bentoml", "numpy", "polars", "pydantic", "safetensors", "prometheus-client"} <= names
    assert not names & {"prefect", "mlflow", "optuna", "great-expectations", "typer"}


def test_an_unchanged_bundle_keeps_its_bento(built: BentoInfo, bundle_folder: Path, home: Path) -> None:
    before = (built.path / "bento.yaml").stat().st_mtime_ns
    assert bento.build(bundle_folder, home=home) == built
    assert (built.path / "bento.yaml").stat().st_mtime_ns == before
    assert [path.name for path in home.iterdir()] == ["bentos"]


def test_a_taken_version_is_refused(bundle: Bundle, built: BentoInfo, home: Path, tmp_path: Path) -> None:
    save(replace(bundle, lineage={"run_id": "other"}), tmp_path / "other")
    with pytest.raises(ValueError, match="a tag names one bundle, but it holds"):
        bento.build(tmp_path / "other", home=home, version=built.path.name)
