"""The wheel holds every layer: an unanchored line in .gitignore can silently drop one."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("data", "models", "validation", "serving", "flows")


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_every_layer(tmp_path):
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "."]
    subprocess.run([*command, "-w", str(tmp_path)], check=True, cwd=ROOT)
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    wanted = {str(path.relative_to(ROOT)) for layer in LAYERS for path in (ROOT / layer).rglob("*.py")}
    assert wanted <= names


def test_the_constraints_name_no_machine():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert all(word not in text for word in ("+cpu", "file:", "://", " @ "))
