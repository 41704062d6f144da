"""Retrain cost: a whole retrain from nothing, what it found, and where its time and memory went.

    python -m benchmarks.retrain_cost                                    # the default run
    python -m benchmarks.retrain_cost --config configs/smoke.toml --out smoke.json

Learning is what a script without Encore would do as well: reading, fitting, tuning, scoring. Upkeep is the
rest: Prefect, MLflow (calls within a step included), packaging, the proof and the promotion. Upkeep hardly
grows with the time that learning takes, so its share of a run of half an hour is given too.
"""

import argparse
import functools
import json
import logging
import os
import platform
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from benchmarks.serving_load import processor

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "retrain_cost.json"
LIMITS = {"minutes": 12, "gib": 6, "upkeep_share": 0.25, "upkeep_share_of_half_an_hour": 0.05}
UPKEEP_STEPS = ("prove",)
TRACKED = (
    *("open", "close", "close_children", "params", "metrics", "tag", "note", "data", "figures", "file"),
    *("folder", "register", "point"),
)
SHOWN = ("recall@10", "ndcg@10", "hit@10")
GIB = 2**30


class Steps(logging.Handler):
    """Seconds of each step, read from the lines that `flows.steps` logs."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.seconds: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Remember one finished step."""
        event, _, rest = record.getMessage().partition(" step=")
        if event == "event=step_done":
            name, _, seconds = rest.partition(" seconds=")
            self.seconds[name] = float(seconds.split()[0])


class Stopwatch:
    """Seconds spent in calls of MLflow, those within other calls counted once."""

    def __init__(self) -> None:
        self.seconds, self._depth = 0.0, 0

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, timed."""

        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            started, self._depth = time.perf_counter(), self._depth + 1
            try:
                return function(*arguments, **named)
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self.seconds += time.perf_counter() - started

        return timed


class Memory(threading.Thread):
    """Peak of the resident memory of this process and all its children, sampled twice a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_bytes, self._done = 0, threading.Event()

    def run(self) -> None:
        """Sample until `finish`."""
        this = psutil.Process()
        while not self._done.wait(0.5):
            self.peak_bytes = max(
                self.peak_bytes, sum(map(_resident, [this, *this.children(recursive=True)]))
            )

    def finish(self) -> float:
        """Stop; the peak in GiB."""
        self._done.set()
        self.join()
        return self.peak_bytes / GIB


def measure(config: Path, home: Path) -> dict[str, Any]:
    """Run `config` in the empty folder `home`."""
    started, memory = time.perf_counter(), Memory()
    memory.start()
    home.mkdir(parents=True, exist_ok=True)
    os.environ["ENCORE_HOME"] = str(home)
    from flows.environment import LAYERS, hush, prepare

    prepare()
    hush()
    from flows import fingerprint

    outcome, steps, mlflow_seconds = _watched(config)
    total = time.perf_counter() - started
    learning = sum(seconds for name, seconds in steps.items() if name not in UPKEEP_STEPS) - mlflow_seconds
    return {
        "command": f"python -m benchmarks.retrain_cost --config {config}",
        "code": fingerprint.of_code(*LAYERS)[:12],
        "machine": _machine(),
        "limits": LIMITS,
        "minutes": round(total / 60, 2),
        "peak_gib": round(memory.finish(), 2),
        "upkeep_seconds": round(total - learning, 1),
        "upkeep_share": round((total - learning) / total, 3),
        "upkeep_share_of_half_an_hour": round((total - learning) / 1800, 3),
        "mlflow_seconds": round(mlflow_seconds, 1),
        "steps": steps,
        "ending": outcome.ending,
        "challenger": outcome.challenger,
        "reasons": outcome.reasons,
        "proof_ms": outcome.latency,
        "families": [asdict(line) for line in outcome.lines],
    }


def _watched(config: Path) -> tuple[Any, dict[str, float], float]:
    """What the flow ended in, seconds by step, and seconds in calls of MLflow; prints both tables."""
    from rich.console import Console

    from flows.commands.narration import narrate
    from flows.commands.retrain import show
    from flows.retrain import retrain
    from flows.retraining.standings import markdown, table
    from flows.tracking.tracker import Tracker

    steps, tracking = Steps(), Stopwatch()
    for name in TRACKED:
        setattr(Tracker, name, tracking.wrap(getattr(Tracker, name)))
    narrate()
    logging.getLogger("flows.steps").addHandler(steps)
    outcome = retrain(str(config.resolve()))
    show(outcome, Console())
    print(markdown(table(outcome.lines, SHOWN)))
    return outcome, steps.seconds, tracking.seconds


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("configs/default.toml"))
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--home", type=Path, help="empty folder that is kept; without it a scratch folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="encore-cost-") as scratch:
        report = measure(given.config, given.home or Path(scratch))
    print({name: report[name] for name in ("minutes", "peak_gib", "upkeep_share", "mlflow_seconds")})
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(report, indent=1) + "\n")


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it ended meanwhile
        return 0


def _machine() -> dict[str, object]:
    packages = {name: version(name) for name in ("torch", "numpy", "prefect", "mlflow", "bentoml")}
    cores = len(os.sched_getaffinity(0))
    python = platform.python_version()
    return {"cores": cores, "processor": processor(), "python": python, **packages}


if __name__ == "__main__":
    main()
