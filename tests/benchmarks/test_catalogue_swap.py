"""The benchmark of the live catalogue changes a real service under load and reports every round."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_small_catalogue_takes_on_items_without_a_failed_request(tmp_path: Path) -> None:
    out = tmp_path / "swap.json"
    command = [sys.executable, "-m", "benchmarks.catalogue_swap", "--items", "400", "--new", "100"]
    command += ["--rounds", "2", "--quiet-seconds", "2", "--rate", "20", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert (report["items"], report["new"], len(report["rounds"])) == (400, 100, 2)
    for each in report["rounds"]:
        assert 0 < each["seconds"] < 60
        assert each["before"]["requests"] >= 30
        assert all(each[when]["failed"] == 0 for when in ("before", "during", "after"))
    assert str(tmp_path) not in out.read_text()
