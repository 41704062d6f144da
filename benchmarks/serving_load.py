"""Serving load: latency and throughput of POST /recommend beside the bare model call of the same run.

    python -m benchmarks.serving_load --bundle DIR        # two minutes on two cores; needs wrk

Beside them: the time to read the model's tables once at this machine's memory bandwidth (the floor of a
call), and constrained beam search by Hugging Face's `generate` over the same semantic IDs
(`benchmarks/generate.py`) by the smallest T5 and by one of TIGER's size; 64 histories in one body of
POST /recommend/many; and the same service with batching off, which calls its model once for each request.
Model, `generate` and service compute with one thread; clients and service share the machine.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import numpy as np
import psutil

from benchmarks.load import Load, load
from models.learning.memory import keep_one_heap
from serving.door.schemas import RecommendRequest
from serving.settings import MAX_BATCH_VARIABLE

if TYPE_CHECKING:
    from data.interactions import Interactions
    from models.bundle import Bundle

AT_ONCE = (1, 8, 64)
N_EVENTS, K = 50, 10
BARE, SERVED = "bare model call", "POST /recommend"
SMALL_T5, TIGER_T5 = "hf generate, one layer", "hf generate, TIGER's size"
MANY = "POST /recommend/many, 64 a body"
ALONE = "POST /recommend, no batching"
A_BODY, SENDERS = 64, (1, 2)
RESULT = Path(__file__).with_name("results") / "serving_load.json"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table.

    Attributes:
        what: one of the names above.
        at_once: histories of a call, or clients that ask at the same time.
        p50_ms, p95_ms, p99_ms: of a call.
        per_second: histories answered in a second.
        failed: answers other than 2xx.
    """

    what: str
    at_once: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    per_second: float
    failed: int = 0

    def __str__(self) -> str:
        """A line of the printed table."""
        times = f"{self.p50_ms:>10.2f}{self.p95_ms:>10.2f}{self.p99_ms:>10.2f}"
        return f"{self.what:<30}{self.at_once:>8}{times}{self.per_second:>12.0f}{self.failed:>9}"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, required=True, help="folder of a bundle")
    parser.add_argument("--seconds", type=float, default=10.0, help="per line")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # as the service has it; read when the model is first imported
    keep_one_heap()  # as the service does
    report = measure(given.bundle, given.seconds)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(report, indent=1) + "\n")


def measure(bundle_path: Path, seconds: float) -> dict[str, object]:
    """All lines for one bundle, printed as they come; the report as written.

    Raises:
        RuntimeError: an answer was not 2xx.
    """
    from models import bundle

    load_before = round(os.getloadavg()[0], 1)
    loaded = bundle.load(bundle_path)
    requests = frozen_requests(loaded, 2_000)
    print(f"{'':<30}{'at once':>8}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}{'lists/s':>12}{'failed':>9}")
    recommend = partial(loaded.recommender.recommend, k=K)
    lines = [shown(called(BARE, loaded, requests, n, seconds, recommend)) for n in AT_ONCE]
    lines += generated(loaded, requests, seconds)
    begun, service = served(bundle_path, requests, seconds)
    lines += service
    with unbatched():
        lines += served(bundle_path, requests, seconds, is_batched=False)[1]
    if any(line.failed for line in lines):
        raise RuntimeError("every answer must be 2xx, but some were not: see the table and run it again.")
    return {
        "command": "python -m benchmarks.serving_load --bundle DIR",
        "machine": {
            "cpus": os.cpu_count(),
            "processor": processor(),
            "python": platform.python_version(),
            "load_before": load_before,
        },
        "bundle": {
            "digest": bundle.digest(bundle_path),
            "family": loaded.recommender.family,
            "n_items": len(loaded.catalogue),
        },
        "k": K,
        "mean_events": float(np.mean([len(request.history or []) for request in requests])),
        **begun,
        **floor_of(loaded),
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
                k=K,
            )
        )
    return requests


def called(
    what: str,
    loaded: "Bundle",
    requests: list[RecommendRequest],
    size: int,
    seconds: float,
    call: "Callable[[Interactions], object]",
) -> Line:
    """A function of histories, `size` a call, for about `seconds`."""
    seconds_of: list[float] = []
    call(histories_of(loaded, requests[:size]))  # what is made at the first call
    until, start = time.perf_counter() + seconds, 0
    while time.perf_counter() < until or not seconds_of:
        histories = histories_of(loaded, requests[start : start + size])
        start = (start + size) % (len(requests) - size + 1)
        seconds_of.append(_timed(partial(call, histories)))
    p50, p95, p99 = (round(float(np.percentile(seconds_of, q)) * 1000, 2) for q in (50, 95, 99))
    return Line(what, size, p50, p95, p99, round(size * len(seconds_of) / sum(seconds_of), 1))


def histories_of(loaded: "Bundle", requests: list[RecommendRequest]) -> "Interactions":
    """The histories of requests in dense ids."""
    from data.interactions import Interactions

    return Interactions.from_histories(
        [loaded.catalogue.ids(request.history or []).tolist() for request in requests],
        [request.timestamps or [] for request in requests],
        [[int(basket) for basket in request.baskets or []] for request in requests],
    )


def generated(loaded: "Bundle", requests: list[RecommendRequest], seconds: float) -> list[Line]:
    """Lines of `generate`; none for a bundle without semantic IDs."""
    if loaded.items is None:
        return []
    from benchmarks.generate import PUBLISHED, SMALLEST, generator

    sizes = {SMALL_T5: SMALLEST, TIGER_T5: PUBLISHED}
    runs = {what: generator(loaded.items.table, K, size) for what, size in sizes.items()}
    return [
        shown(called(what, loaded, requests, n, seconds, run)) for what, run in runs.items() for n in AT_ONCE
    ]


@contextmanager
def unbatched() -> Iterator[None]:
    """Services that are started meanwhile answer each request by a call of its own."""
    before = os.environ.get(MAX_BATCH_VARIABLE)
    os.environ[MAX_BATCH_VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[MAX_BATCH_VARIABLE]
        else:
            os.environ[MAX_BATCH_VARIABLE] = before


def served(
    bundle_path: Path, requests: list[RecommendRequest], seconds: float, *, is_batched: bool = True
) -> tuple[dict[str, Any], list[Line]]:
    """Seconds from start to ready, memory of the service after the load, and its lines."""
    from serving.process import running

    bodies = [request.model_dump_json(exclude_defaults=True).encode() for request in requests]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch, running(bundle_path, log=Path(scratch) / "log") as url:
        ready = time.perf_counter() - started
        load(f"{url}/recommend", bodies, max(AT_ONCE), min(2.0, seconds))  # connections and caches
        what = SERVED if is_batched else ALONE
        lines = [_line(what, n, _alone(f"{url}/recommend", bodies, n, seconds)) for n in AT_ONCE]
        if is_batched:
            bodies = in_bodies(bodies)
            found = [(n, _alone(f"{url}/recommend/many", bodies, n, seconds)) for n in SENDERS]
            lines += [_line(MANY, n, each, A_BODY) for n, each in found]
        children = psutil.Process().children(recursive=True)
        largest = max(child.memory_info().rss for child in children)
    return {"ready_seconds": round(ready, 1), "service_mib": round(largest / 2**20)}, lines


def in_bodies(requests: list[bytes]) -> list[bytes]:
    """Bodies of POST /recommend/many, `A_BODY` requests each; what is left over is not sent."""
    begins = range(0, len(requests) - A_BODY + 1, A_BODY)
    return [b'{"requests": [' + b",".join(requests[at : at + A_BODY]) + b"]}" for at in begins]


def _line(what: str, n: int, found: Load, lists: int = 1) -> Line:
    """A load's line, printed; `lists` in each answer."""
    return shown(
        Line(what, n, found.p50_ms, found.p95_ms, found.p99_ms, found.per_second * lists, found.failed)
    )


def _alone(url: str, bodies: list[bytes], n_clients: int, seconds: float) -> Load:
    """A load that begins once all that the one before left behind is answered, which goes in order."""
    json_body = {"content-type": "application/json"}
    with urlopen(Request(url, bodies[0], json_body), timeout=60) as answer:
        answer.read()
    return load(url, bodies, n_clients, seconds)


def floor_of(loaded: "Bundle") -> dict[str, float]:
    """What a call has to read from memory, and how long that takes here.

    The tables once, as they are held: a list is exact over the whole catalogue.
    """
    from benchmarks.timing import memory_read

    read, gigabytes = memory_read()
    seconds = min(_timed(read) for _ in range(5))
    n_bytes = sum(array.nbytes for array in loaded.recommender.state().values() if array.dtype.kind == "f")
    return {
        "gb_per_second": round(gigabytes / seconds, 1),
        "floor_ms": round(1000 * n_bytes / 1e9 / (gigabytes / seconds), 2),
    }


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


if __name__ == "__main__":
    main()
