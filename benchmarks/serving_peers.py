"""Serving beside a peer: POST /recommend of Encore and of RecTools' SASRec behind the same HTTP server.

    python -m benchmarks.serving_peers --bundle DIR        # three minutes on two cores; needs wrk

Same machine, catalogue, histories, bodies, clients (`wrk`) and server (uvicorn with uvloop and httptools),
one thread for the model, requests that wait answered by one call. RecTools is called in two ways, its public
`recommend` and its network alone (`benchmarks/peers/rectools_server.py`), and lives in an environment of its
own, made on the first run. Most peers answer only for users that they were fitted on; SASRec answers for a
history that is sent. It gives keys and scores; Encore also checks what the body asks for, names titles,
sources and lineage, keeps count, and answers without a model where there is none.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.load import load
from benchmarks.serving_load import AT_ONCE, N_EVENTS, Line, frozen_requests, served, shown
from serving.process import free_port, stop

if TYPE_CHECKING:
    import polars as pl

    from models.bundle import Bundle

SERVER = Path(__file__).with_name("peers") / "rectools_server.py"
WAYS = ("recommend", "network")
SETTINGS = {"d_model": 64, "n_blocks": 1, "n_heads": 2, "max_length": N_EVENTS}
N_USERS, START_SECONDS = 500, 300.0
RESULT = Path(__file__).with_name("results") / "serving_peers.json"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, required=True, help="folder of a bundle")
    parser.add_argument("--seconds", type=float, default=10.0, help="per line")
    parser.add_argument("--python", type=Path, help="interpreter that has RecTools; else one is made")
    parser.add_argument("--cache", type=Path, help="where RecTools' environment is made")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, and for the peer
    from benchmarks import timing
    from benchmarks.training_peers import CACHE, SERVING, environment

    python = given.python or environment(given.cache or CACHE, SERVING)
    report = {"command": "python -m benchmarks.serving_peers --bundle DIR", "machine": timing.machine()}
    timing.write({**report, **measure(given.bundle, given.seconds, python)}, given.out)


def measure(bundle_path: Path, seconds: float, python: Path) -> dict[str, Any]:
    """All lines, printed as they come.

    Raises:
        RuntimeError: an answer was not 2xx.
    """
    from models import bundle

    loaded = bundle.load(bundle_path)
    requests = frozen_requests(loaded, 2_000)
    bodies = [request.model_dump_json(exclude_defaults=True).encode() for request in requests]
    print(f"{'':<30}{'at once':>8}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}{'lists/s':>12}{'failed':>9}")
    _, lines = served(bundle_path, requests, seconds)
    events = events_of(loaded, N_USERS)
    for way in WAYS:
        with peer(events, way, python) as url:
            load(f"{url}/recommend", bodies, max(AT_ONCE), min(2.0, seconds))  # connections and caches
            for n in AT_ONCE:
                found = load(f"{url}/recommend", bodies, n, seconds)
                lines.append(shown(Line(f"RecTools, {way}", n, **asdict(found))))
    if any(line.failed for line in lines):
        raise RuntimeError("every answer must be 2xx, but some were not: see the table and run it again.")
    return {
        "n_items": len(loaded.catalogue),
        "family": loaded.recommender.family,
        "peer": {**SETTINGS, "versions": versions(python)},
        "lines": [asdict(line) for line in lines],
    }


def events_of(loaded: "Bundle", n_users: int) -> "pl.DataFrame":
    """user_id, item_id, weight, datetime to fit a peer: some histories, and users who had every item once."""
    import numpy as np
    import polars as pl

    last, n_items = loaded.histories.last(N_EVENTS), len(loaded.catalogue)
    chosen = last.select(np.arange(min(n_users, last.n_users)))
    histories = [chosen.history(row).tolist() for row in range(chosen.n_users)]
    histories += [list(range(n_items))[start : start + N_EVENTS] for start in range(0, n_items, N_EVENTS)]
    keys = loaded.catalogue.keys
    rows = [
        (str(u), keys[item], place) for u, each in enumerate(histories) for place, item in enumerate(each)
    ]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "place"], orient="row")
    dated = pl.from_epoch(pl.col("place"), time_unit="d").alias("datetime")
    return frame.select("user_id", "item_id", pl.lit(1).alias("weight"), dated)


@contextmanager
def peer(events: "pl.DataFrame", way: str, python: Path) -> Iterator[str]:
    """The peer's service; yields its base URL once it answers.

    Raises:
        RuntimeError: it stopped; its own message went to standard error.
        TimeoutError: it was not ready in time.
    """
    with tempfile.TemporaryDirectory(prefix="encore-peer-") as scratch:
        table, given, port = Path(scratch) / "events.csv", Path(scratch) / "settings.json", free_port()
        events.write_csv(table)
        given.write_text(json.dumps({**SETTINGS, "way": way, "port": port}))
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [str(python), str(SERVER), str(table), str(given)]
        process = subprocess.Popen(command, cwd=scratch, env=environment, stdout=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(process, f"{url}/readyz")
            yield url
        finally:
            stop(process)


def _wait(process: "subprocess.Popen[bytes]", url: str) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the peer must stay up, but it stopped with {process.returncode}: see above.")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError(f"the peer must be ready in {START_SECONDS:g} s, but is not.")


def versions(python: Path) -> dict[str, str]:
    """What the peer's environment has."""
    names = ("rectools", "torch", "starlette", "uvicorn", "uvloop", "httptools")
    script = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {names}}}))"
    done = subprocess.run([python, "-c", script], check=True, capture_output=True, text=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
