"""Data at scale: load, snapshot and split 1 to 10 million generated events, each size in a fresh process.

    python benchmarks/data_scale.py                 # all sizes, writes benchmarks/results/data_scale.json
    python benchmarks/data_scale.py --sizes 1000000 --output /dev/null

Other programs may share the cores, so CPU seconds stand beside the wall clock.
"""

import argparse
import itertools
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl

SIZES = (1_000_000, 2_000_000, 5_000_000, 10_000_000)
RESULT = Path(__file__).parent / "results" / "data_scale.json"
EVENTS_PER_USER = 50
START, YEAR = 1_483_228_800, 365 * 86_400  # 2017
BASKET_SECONDS = 6 * 3_600  # what a user does in one quarter of a day is one basket
N_ITEMS = 100_000
ZIPF_EXPONENT = 1.2
LIMIT_SECONDS, LIMIT_MIB = 60, 4_096
MIB = 1_024  # ru_maxrss is in KiB on Linux


def generate(n_events: int, folder: Path, seed: int = 0) -> None:
    """Write events.parquet (in order of time, as a log has them) and items.parquet."""
    rng = np.random.default_rng(seed)
    popularity = 1.0 / np.arange(1, N_ITEMS + 1) ** ZIPF_EXPONENT
    user = rng.integers(0, n_events // EVENTS_PER_USER, n_events)
    moment = np.sort(rng.integers(START, START + YEAR, n_events))
    events = pl.DataFrame(
        {
            "customer": user,
            "sku": rng.choice(N_ITEMS, size=n_events, p=popularity / popularity.sum()),
            "moment": moment,
            "visit": user * (YEAR // BASKET_SECONDS) + (moment - START) // BASKET_SECONDS,
            "quantity": rng.integers(1, 5, n_events).astype(np.float64),
        }
    )
    unique = events.unique(["customer", "sku", "moment", "quantity"], keep="first", maintain_order=True)
    text = [
        pl.concat_str(pl.lit(f"{name}-"), pl.col(name).cast(pl.String).str.zfill(8)).alias(name)
        for name in ("customer", "sku", "visit")
    ]
    unique.with_columns(text).write_parquet(folder / "events.parquet")
    number = pl.DataFrame({"sku": np.arange(N_ITEMS)}).select(text[1])
    number.with_columns(name=pl.col("sku")).write_parquet(folder / "items.parquet")


def measure(folder: Path) -> dict[str, float]:
    """Load, snapshot and split what lies in `folder`; seconds of each step and the peak of memory."""
    from data.snapshot import write_snapshot
    from data.sources import load
    from data.sources.config import FilesConfig
    from data.tables import Columns
    from data.windows import FilterConfig, time_window

    columns = Columns(
        user_key="customer", item_key="sku", timestamp="moment", basket_key="visit", weight="quantity"
    )
    config = FilesConfig(
        interactions=folder / "events.parquet",
        items=folder / "items.parquet",
        columns=columns,
        text_fields=("name",),
    )
    clock = [(time.perf_counter(), time.process_time())]
    tables = load(config)
    clock.append((time.perf_counter(), time.process_time()))
    snapshot = write_snapshot(tables, folder / "snapshots")
    del tables
    clock.append((time.perf_counter(), time.process_time()))
    cutoff = START + 11 * YEAR // 12
    window = time_window(snapshot, name="test", cutoff=cutoff, until=None, filters=FilterConfig())
    clock.append((time.perf_counter(), time.process_time()))
    steps = ("load", "snapshot", "split")
    ends = itertools.pairwise(clock)
    spent = {
        f"{step}_{kind}": round(after[i] - before[i], 2)
        for step, (before, after) in zip(steps, ends, strict=True)
        for i, kind in enumerate(("seconds", "cpu_seconds"))
    }
    return {
        "events": snapshot.manifest.n_interactions,
        "users": snapshot.manifest.n_users,
        "queries": len(window.query_users),
        **spent,
        "seconds": round(clock[-1][0] - clock[0][0], 2),
        "cpu_seconds": round(clock[-1][1] - clock[0][1], 2),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB),
    }


def run(n_events: int) -> dict[str, float]:
    """Generate in one fresh process and measure in another, so that neither warms the other."""
    with tempfile.TemporaryDirectory(prefix="encore-scale-") as folder:
        command = [sys.executable, __file__, "--folder", folder]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
        subprocess.run([*command, "--generate", str(n_events)], check=True, env=environment)
        done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def machine() -> dict[str, object]:
    """What the numbers depend on."""
    packages = {name: version(name) for name in ("polars", "numpy", "pyarrow")}
    cores = len(os.sched_getaffinity(0))
    return {
        "cores": cores,
        "architecture": platform.machine(),
        "python": platform.python_version(),
        **packages,
    }


def report(rows: list[dict[str, float]]) -> dict[str, object]:
    """The table, and how much dearer an event of the largest run is than one of the smallest."""
    first, last = rows[0], rows[-1]
    growth = last["events"] / first["events"]
    return {
        "machine": machine(),
        "limits": {"events": SIZES[-1], "seconds": LIMIT_SECONDS, "mib": LIMIT_MIB},
        "rows": rows,
        "linearity": {  # 1.0: cost grows as the events do; above: faster
            kind: round(last[kind] / (growth * first[kind]), 2) for kind in ("seconds", "cpu_seconds")
        },
    }


def main() -> None:
    """Run all sizes, print the table, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="events of each run")
    parser.add_argument("--output", type=Path, default=RESULT, help="where the JSON goes")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--generate", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.generate:
        generate(arguments.generate, arguments.folder)
    elif arguments.folder:
        print(json.dumps(measure(arguments.folder)))
    else:
        result = report([_told(run(size)) for size in arguments.sizes])
        print("linearity:", result["linearity"])
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")


def _told(row: dict[str, float]) -> dict[str, float]:
    print("  ".join(f"{name} {value:,}" for name, value in row.items()), flush=True)
    return row


if __name__ == "__main__":
    main()
