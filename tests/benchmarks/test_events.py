"""The command measures the disk, the store and a real service."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_feedback_is_measured_beside_the_disk(tmp_path: Path) -> None:
    out = tmp_path / "events.json"
    command = [sys.executable, "-m", "benchmarks.events", "--events", "64", "--stored", "10000"]
    done = subprocess.run(
        [*command, "--out", str(out)], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    measured = [(line["what"], line["at_once"]) for line in report["lines"]]
    assert measured == [
        ("append and fdatasync", 1),
        ("append and fdatasync", 64),
        ("store alone", 1),
        ("store alone", 64),
        ("POST /events, refused", 1),
        *(("POST /events", n_clients) for n_clients in (1, 8, 64)),
        ("POST /events of 64", 8),
        ("look-up of a user", 10_000),
    ]
    assert all(0 < line["p50_ms"] <= line["p99_ms"] for line in report["lines"])
    assert str(tmp_path) not in out.read_text()
