"""Data parallel: one process against two on the default data's trie-pointer: metric and seconds an epoch.

    python -m benchmarks.data_parallel                  # ten minutes on two cores

Codes are learned once; each way trains the same number of epochs with the same seed and answers the same
users of November, so that the metric may be looked at. One process is measured with one thread and with two,
because that is what two cores can also be used for. Seconds mean something on an idle machine only: the load
before each way is in the result.
"""

import argparse
import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import timing
from data.snapshot import write_snapshot
from data.sources import load as read_source
from data.split import Window
from data.windows import time_window
from flows.compute.shared_fit import Fit, fit_together
from flows.config import RunConfig, load
from models.fitting import Fitted, fit_codes
from models.recommender import FitData
from validation.evaluation.evaluate import evaluate
from validation.evaluation.report import Report
from validation.gates.significance import paired_bootstrap

FAMILY, METRIC = "trie-pointer", "ndcg@10"
WAYS = ((1, 1), (2, 1), (1, 2))
"""Processes, and threads of each."""
RESULT = timing.RESULTS / "data_parallel.json"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("configs/default.toml"))
    parser.add_argument("--epochs", type=int, default=None, help="of the config without it")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    config = load(given.config)
    settings = dict(config.families[FAMILY])
    settings |= {"epochs": given.epochs} if given.epochs else {}
    machine = timing.machine()
    window, learn = november(config)
    lines, reports = [], {}
    for way in WAYS:
        fitted, line = trained(config, settings, learn, *way)
        reports[way] = evaluate(fitted.recommender, window, family=FAMILY, ks=(10,))[0]
        line[METRIC] = round(reports[way].mean(METRIC), 5)
        print(line, flush=True)
        lines.append(line)
    report = {
        "command": "python -m benchmarks.data_parallel",
        "machine": machine,
        "seed": config.seed,
        "settings": settings,
        "users": len(window.query_users),
        "lines": lines,
        "two_minus_one": difference(reports[2, 1], reports[1, 1], config.seed),
        "threads_two_minus_one": difference(reports[1, 2], reports[1, 1], config.seed),
    }
    timing.write(report, given.out)


def november(config: RunConfig) -> tuple[Window, FitData]:
    """The window that tuning asks about, and what may be learned before it."""
    cutoff, until = config.windows.bounds("valid")
    with tempfile.TemporaryDirectory(prefix="encore-parallel-") as scratch:
        snapshot = write_snapshot(read_source(config.source), Path(scratch))
        window = time_window(snapshot, name="valid", cutoff=cutoff, until=until, filters=config.filters)
    codes = fit_codes(window.catalogue, window.train, config.encoder, config.tokenizer, seed=config.seed)
    return window, FitData(window.train, len(window.catalogue), codes.vectors, codes.table)


def trained(
    config: RunConfig, settings: dict[str, Any], learn: FitData, processes: int, threads: int
) -> tuple[Fitted, dict[str, Any]]:
    """A model, and how long each epoch took."""
    load_before, started = round(os.getloadavg()[0], 1), time.perf_counter()
    fit = Fit(FAMILY, settings, config.seed, threads, None)
    fitted = fit_together(fit, learn, processes=processes, watch=lambda epoch: None, checkpoint=None)
    return fitted, {
        "processes": processes,
        "threads_each": threads,
        "load_before": load_before,
        "epoch_seconds": [round(epoch.seconds, 1) for epoch in fitted.history],
        "wall_seconds": round(time.perf_counter() - started, 1),
        "loss": [round(epoch.loss, 5) for epoch in fitted.history],
    }


def difference(one: Report, other: Report, seed: int) -> dict[str, Any]:
    """Paired bootstrap over users, 95 %."""
    found = paired_bootstrap(one.values(METRIC), other.values(METRIC), seed=seed)
    return asdict(found)


if __name__ == "__main__":
    main()
