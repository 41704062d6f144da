"""Training beside a peer: one epoch of SASRec with full softmax, ours against RecTools'.

    python -m benchmarks.training_peers --data FOLDER              # interactions.parquet of Amazon Beauty
    python -m benchmarks.training_peers --data FOLDER --users 300 --out /dev/null

Same machine, events, loss (cross-entropy over all items at every position), width, blocks, heads, dropout,
length and rows of a batch. RecTools lives in an environment of its own, made on the first run by pip below
`--cache`. Both train in turns, and the least epoch counts: the first holds warming up. Not the same: our
position-wise network is 4 D wide where theirs is D (as in the paper), which costs us; we train with
deterministic algorithms, and they do not; both as their libraries have it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from benchmarks import timing
from data.interactions import Interactions
from models.recommender import Epoch, FitData
from models.recommenders.sasrec import SASRec, SASRecConfig
from models.tokenizers.code_table import CodeTable

REQUIREMENTS = ("rectools[torch]==0.19.0", "torch>=2.13,<2.14")  # torch as ours: later ones bring CUDA
SERVING = ("starlette>=1,<2", "uvicorn>=0.30,<1", "uvloop>=0.23,<1", "httptools>=0.9,<1")  # to serve it, too
PEER = Path(__file__).with_name("peers") / "rectools_sasrec.py"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "encore-peers"
GOAL = {"times_faster": 3.0}
RESULT = timing.RESULTS / "training_peers.json"


def load(folder: Path, n_users: int | None) -> pl.DataFrame:
    """user, item (dense ids), position; canonical order."""
    events = pl.read_parquet(folder / "interactions.parquet", columns=["user_id", "item_id", "position"])
    if n_users is not None:
        chosen = events["user_id"].unique().sort().head(n_users)
        events = events.filter(pl.col("user_id").is_in(chosen.implode()))
    events = events.sort("user_id", "position")
    dense = (pl.col(name).rank("dense").cast(pl.Int64) - 1 for name in ("user_id", "item_id"))
    return events.select(*dense, pl.col("position").cast(pl.Int64))


def ours(events: pl.DataFrame, settings: dict[str, Any]) -> dict[str, list[float]]:
    """Seconds and loss of each epoch of ours."""
    user, item = events["user_id"].to_numpy(), events["item_id"].to_numpy()
    offsets = np.searchsorted(user, np.arange(user[-1] + 2))
    place = events["position"].to_numpy()
    n_items = int(item.max()) + 1
    codes = CodeTable(np.arange(n_items)[:, None], (n_items,))
    data = FitData(
        Interactions(item=item, time=place, basket=place, offsets=offsets),
        n_items,
        np.empty((0, 0), dtype=np.float32),
        codes,
    )
    torch.set_num_threads(settings["threads"])
    names = set(SASRecConfig.model_fields) & set(settings)
    epochs: list[Epoch] = []
    config = SASRecConfig(**{name: settings[name] for name in names}, queries_per_row=None)
    SASRec.fit(config, data, seed=0, watch=epochs.append)
    return {"seconds": [epoch.seconds for epoch in epochs], "losses": [epoch.loss for epoch in epochs]}


def peer(events: pl.DataFrame, settings: dict[str, Any], python: Path) -> dict[str, Any]:
    """The same of RecTools."""
    with tempfile.TemporaryDirectory(prefix="encore-peer-") as scratch:
        table, given = Path(scratch) / "events.csv", Path(scratch) / "settings.json"
        dated = pl.from_epoch(pl.col("position"), time_unit="d").alias("datetime")
        events.select("user_id", "item_id", pl.lit(1).alias("weight"), dated).write_csv(table)
        given.write_text(json.dumps(settings))
        command = [str(python), str(PEER), str(table), str(given)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=scratch)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def environment(cache: Path, more: tuple[str, ...] = ()) -> Path:
    """The python of RecTools' environment, made if it is not there; one of its own with `more` packages."""
    home = cache / ("rectools-0.19.0-more" if more else "rectools-0.19.0")
    python, finished = home / "bin" / "python", home / "finished"
    if not finished.exists():
        print(f"making {home}: some minutes, about 2 GB", file=sys.stderr, flush=True)
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS, *more], check=True)
        finished.touch()
    return python


def compare(events: pl.DataFrame, settings: dict[str, Any], python: Path, rounds: int) -> dict[str, Any]:
    """Both in turns; the least epoch of each."""
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "rectools": []}
    for _ in range(rounds):
        runs["ours"].append(ours(events, settings))
        runs["rectools"].append(peer(events, settings, python))
    least = {name: min(second for run in every for second in run["seconds"]) for name, every in runs.items()}
    return {
        "epoch_seconds": {name: round(seconds, 2) for name, seconds in least.items()},
        "times_faster": round(least["rectools"] / least["ours"], 2),
        "losses": {name: [round(loss, 3) for loss in every[0]["losses"]] for name, every in runs.items()},
        "peer_versions": runs["rectools"][0]["versions"],
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with interactions.parquet")
    parser.add_argument("--users", type=int, help="the first so many only")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    settings = {
        "d_model": given.width,
        "n_blocks": 2,
        "n_heads": 2,
        "dropout": 0.2,
        "max_length": 50,
        "batch_rows": 128,
        "learning_rate": 1e-3,
        "epochs": given.epochs,
        "threads": given.threads,
    }
    machine, started = timing.machine(), time.perf_counter()
    events, python = load(given.data, given.users), environment(given.cache)
    measured = compare(events, settings, python, given.rounds)
    print("  ".join(f"{name} {value}" for name, value in measured.items()))
    report = {
        "command": f"python -m benchmarks.training_peers --data FOLDER --threads {given.threads} "
        f"--epochs {given.epochs} --rounds {given.rounds}",
        "machine": machine,
        "goal": GOAL,
        "events": len(events),
        "users": events["user_id"].n_unique(),
        "items": events["item_id"].n_unique(),
        "settings": settings,
        **measured,
        "minutes": round((time.perf_counter() - started) / 60, 1),
    }
    timing.write(report, given.out)


if __name__ == "__main__":
    main()
