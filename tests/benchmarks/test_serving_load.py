"""The load command measures a real service and refuses a run with failures."""

import json
import subprocess
import sys
import urllib.request
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.generate import generator
from benchmarks.load import is_there, load
from benchmarks.serving_load import unbatched
from data.catalogue import Catalogue
from data.interactions import Interactions
from models.baselines.popularity import Popularity, PopularityConfig
from models.bundle import Bundle, save
from models.tokenizers.code_table import CodeTable
from serving.process import running

SERVED, MANY = "POST /recommend", "POST /recommend/many, 64 a body"
AT_ONCE = {
    "bare model call": (1, 8, 64),
    SERVED: (1, 8, 64),
    MANY: (1, 2),
    f"{SERVED}, no batching": (1, 8, 64),
}
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(not is_there(), reason="the load comes from wrk (Debian package wrk)")
def test_the_load_of_a_small_bundle_is_measured_without_failures(tmp_path: Path) -> None:
    save_small(tmp_path / "bundle")
    out = tmp_path / "load.json"
    command = [sys.executable, "-m", "benchmarks.serving_load", "--seconds", "1"]
    command += ["--bundle", str(tmp_path / "bundle"), "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert report["bundle"]["family"] == "popularity"
    measured = [(line["what"], line["at_once"]) for line in report["lines"]]
    assert measured == [(what, n) for what, several in AT_ONCE.items() for n in several]
    assert all(line["failed"] == 0 and 0 < line["p50_ms"] <= line["p99_ms"] for line in report["lines"])
    assert str(tmp_path) not in out.read_text()


@pytest.mark.slow
@pytest.mark.skipif(not is_there(), reason="the load comes from wrk (Debian package wrk)")
@pytest.mark.parametrize("is_batched", [True, False])
def test_without_batching_each_request_is_a_call(tmp_path: Path, is_batched: bool) -> None:
    save_small(tmp_path / "bundle")
    with (
        nullcontext() if is_batched else unbatched(),
        running(tmp_path / "bundle", log=tmp_path / "log") as url,
    ):
        load(f"{url}/recommend", [b'{"history": ["a"], "k": 2}'], 32, 1)
        with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
            rows = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[0] != "#")
    alone = float(rows['encore_batch_size_bucket{le="1.0"}'])
    assert float(rows["encore_batch_size_count"]) > 0
    assert (alone == float(rows["encore_batch_size_count"])) is not is_batched


def save_small(path: Path) -> None:
    """Three items and as many users."""
    catalogue = Catalogue(pl.DataFrame({"item_key": ["a", "b", "c"]}))
    model = Popularity(PopularityConfig(), np.array([3, 2, 1], dtype=np.float32))
    histories = Interactions.from_histories([[0, 1], [], [2]])
    save(Bundle(model, catalogue, ["x", "y", "z"], histories, {}), path)


def test_generate_spells_items_only() -> None:
    codes = CodeTable(np.array([[0, 0], [0, 1], [1, 0], [2, 0]]), (3, 2))
    spelled = generator(codes, 3)(Interactions.from_histories([[0, 3], []]))
    tokens = np.asarray(spelled).reshape(2, 3, -1)[:, :, 1:]
    items = {tuple(row) for row in codes.codes + np.array([2, 5])}
    assert {tuple(row) for row in tokens.reshape(-1, 2).tolist()} <= items
    assert all(len({tuple(row) for row in rows.tolist()}) == 3 for rows in tokens)
