"""The load command measures a real service and refuses a run with failures."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.generate import generator
from benchmarks.load import is_there
from data.catalogue import Catalogue
from data.interactions import Interactions
from models.baselines.popularity import Popularity, PopularityConfig
from models.bundle import Bundle, save
from models.tokenizers.code_table import CodeTable

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(not is_there(), reason="the load comes from wrk (Debian package wrk)")
def test_the_load_of_a_small_bundle_is_measured_without_failures(tmp_path: Path) -> None:
    catalogue = Catalogue(pl.DataFrame({"item_key": ["a", "b", "c"]}))
    model = Popularity(PopularityConfig(), np.array([3, 2, 1], dtype=np.float32))
    histories = Interactions.from_histories([[0, 1], [], [2]])
    save(Bundle(model, catalogue, ["x", "y", "z"], histories, {}), tmp_path / "bundle")
    out = tmp_path / "load.json"
    command = [sys.executable, "-m", "benchmarks.serving_load", "--seconds", "1"]
    command += ["--bundle", str(tmp_path / "bundle"), "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert report["bundle"]["family"] == "popularity"
    measured = [(line["what"], line["at_once"]) for line in report["lines"]]
    assert measured == [(what, n) for what in ("bare model call", "POST /recommend") for n in (1, 8, 64)]
    assert all(line["failed"] == 0 and 0 < line["p50_ms"] <= line["p99_ms"] for line in report["lines"])
    assert str(tmp_path) not in out.read_text()


def test_generate_spells_items_only() -> None:
    codes = CodeTable(np.array([[0, 0], [0, 1], [1, 0], [2, 0]]), (3, 2))
    spelled = generator(codes, 3)(Interactions.from_histories([[0, 3], []]))
    tokens = np.asarray(spelled).reshape(2, 3, -1)[:, :, 1:]
    items = {tuple(row) for row in codes.codes + np.array([2, 5])}
    assert {tuple(row) for row in tokens.reshape(-1, 2).tolist()} <= items
    assert all(len({tuple(row) for row in rows.tolist()}) == 3 for rows in tokens)
