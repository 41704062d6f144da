"""Serving load: latency and throughput of POST /recommend beside the bare model call of the same run.

python -m benchmarks.serving_load --bundle DIR
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from serving.door.schemas import RecommendRequest

if TYPE_CHECKING:
    from models.bundle import Bundle

CLIENTS = (1, 8, 32)
BATCHES = (1, 8, 32)
N_EVENTS = 50
RESULT = Path(__file__).with_name("results") / "serving_load.json"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table.

    Attributes:
        what: "bare model call" or "POST /recommend".
        at_once: histories of a call, or clients that ask at the same time.
        p50_ms, p99_ms: of a call.
        per_second: histories answered in a second.
        not_200: answers other than 200.
    """

    what: str
    at_once: int
    p50_ms: float
    p99_ms: float
    per_second: float
    not_200: int = 0

    def __str__(self) -> str:
        """A line of the printed table."""
        return (
            f"{self.what:<18}{self.at_once:>8}{self.p50_ms:>10.2f}{self.p99_ms:>10.2f}"
            f"{self.per_second:>12.0f}{self.not_200:>9}"
        )


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="folder of a bundle")
    parser.add_argument("--requests", type=int, default=2000, help="per number of clients")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # as the service has it; read when the model is first imported
    report = measure(given.bundle, given.requests)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(report, indent=1) + "\n")


def measure(bundle_path: Path, n_requests: int) -> dict[str, object]:
    """All lines for one bundle, printed as they come; the report as written.

    Raises:
        RuntimeError: an answer was not 200.
    """
    from models import bundle
    from serving.process import running

    loaded = bundle.load(bundle_path)
    requests = frozen_requests(loaded, n_requests)
    print(f"{'':<18}{'at once':>8}{'p50 ms':>10}{'p99 ms':>10}{'lists/s':>12}{'not 200':>9}")
    lines = [shown(bare_calls(loaded, requests, size)) for size in BATCHES]
    with tempfile.TemporaryDirectory() as scratch, running(bundle_path, log=Path(scratch) / "log") as url:
        served(url, requests[: max(CLIENTS)], max(CLIENTS))  # connections and caches
        lines += [shown(served(url, requests, n_clients)) for n_clients in CLIENTS]
    if any(line.not_200 for line in lines):
        raise RuntimeError("every answer must be 200, but some were not: see the table and run it again.")
    return {
        "command": f"python -m benchmarks.serving_load --bundle DIR --requests {n_requests}",
        "machine": {"cpus": os.cpu_count(), "processor": processor(), "python": platform.python_version()},
        "bundle": {
            "digest": bundle.digest(bundle_path),
            "family": loaded.recommender.family,
            "n_items": len(loaded.catalogue),
        },
        "k": 10,
        "mean_events": float(np.mean([len(request.history or []) for request in requests])),
        "lines": [asdict(line) for line in lines],
    }


def frozen_requests(loaded: "Bundle", n_requests: int) -> list[RecommendRequest]:
    """Histories of the bundle's users, newest 50 events, in a fixed random order, with times and baskets."""
    rows = np.random.default_rng(0).integers(0, loaded.histories.n_users, n_requests)
    chosen = loaded.histories.last(N_EVENTS).select(rows)
    keys = loaded.catalogue.keys
    requests = []
    for start, stop in zip(chosen.offsets[:-1], chosen.offsets[1:], strict=True):
        requests.append(
            RecommendRequest(
                history=[keys[item] for item in chosen.item[start:stop]],
                timestamps=chosen.time[start:stop].tolist(),
                baskets=[str(basket) for basket in chosen.basket[start:stop]],
                k=10,
            )
        )
    return requests


def bare_calls(loaded: "Bundle", requests: list[RecommendRequest], size: int, seconds: float = 5.0) -> Line:
    """The model alone, `size` histories a call, for about `seconds`."""
    from data.interactions import Interactions

    seconds_of, until = [], time.perf_counter() + seconds
    for start in range(0, len(requests) - size + 1, size):
        group = requests[start : start + size]
        histories = Interactions.from_histories(
            [loaded.catalogue.ids(request.history or []).tolist() for request in group],
            [request.timestamps or [] for request in group],
            [[int(basket) for basket in request.baskets or []] for request in group],
        )
        seconds_of.append(_timed(partial(loaded.recommender.recommend, histories, 10)))
        if time.perf_counter() > until:
            break
    return _line("bare model call", size, seconds_of, size * len(seconds_of) / sum(seconds_of), 0)


def served(url: str, requests: list[RecommendRequest], n_clients: int) -> Line:
    """`n_clients` connections, kept alive, each asking again as soon as it has its answer."""
    from serving.client import Connection

    def ask(bodies: list[bytes]) -> list[tuple[int, float]]:
        client = Connection(url)
        answers = []
        for body in bodies:
            start = time.perf_counter()
            status, _ = client.post("/recommend", body)
            answers.append((status, time.perf_counter() - start))
        client.close()
        return answers

    bodies = [request.model_dump_json(exclude_defaults=True).encode() for request in requests]
    start = time.perf_counter()
    with ThreadPoolExecutor(n_clients) as pool:
        parts = list(pool.map(ask, [bodies[client::n_clients] for client in range(n_clients)]))
    elapsed = time.perf_counter() - start
    answers = [answer for part in parts for answer in part]
    not_200 = sum(status != 200 for status, _ in answers)
    return _line("POST /recommend", n_clients, [s for _, s in answers], len(answers) / elapsed, not_200)


def processor() -> str:
    """Name of the processor, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def shown(line: Line) -> Line:
    """`line`, printed."""
    print(line, flush=True)
    return line


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _line(what: str, at_once: int, seconds: list[float], per_second: float, not_200: int) -> Line:
    p50, p99 = (float(np.percentile(seconds, q)) * 1000 for q in (50, 99))
    return Line(what, at_once, round(p50, 3), round(p99, 3), round(per_second, 1), not_200)


if __name__ == "__main__":
    main()
