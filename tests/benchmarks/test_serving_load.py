"""The load command measures a real service and refuses a run with failures."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.catalogue import Catalogue
from data.interactions import Interactions
from models.baselines.popularity import Popularity, PopularityConfig
from models.bundle import Bundle, save

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_load_of_a_small_bundle_is_measured_without_failures(tmp_path: Path) -> None:
    catalogue = Catalogue(pl.DataFrame({"item_key": ["a", "b", "c"]}))
    model = Popularity(PopularityConfig(), np.array([3, 2, 1], dtype=np.float32))
    histories = Interactions.from_histories([[0, 1], [], [2]])
    save(Bundle(model, catalogue, ["x", "y", "z"], histories, {}), tmp_path / "bundle")
    out = tmp_path / "load.json"
    command = [sys.executable, "-m", "benchmarks.serving_load", "--requests", "64"]
    command += ["--bundle", str(tmp_path / "bundle"), "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert report["bundle"]["family"] == "popularity"
    measured = [(line["what"], line["at_once"]) for line in report["lines"]]
    assert measured == [(what, n) for what in ("bare model call", "POST /recommend") for n in (1, 8, 32)]
    assert all(line["not_200"] == 0 and 0 < line["p50_ms"] <= line["p99_ms"] for line in report["lines"])
    assert str(tmp_path) not in out.read_text()
