"""Soak: a service under a steady load for long: whether its memory stays flat and each request is answered.

    python -m benchmarks.soak --bundle DIR                 # 21 minutes on two cores; needs wrk
    python -m benchmarks.soak --bundle DIR --minutes 0.2 --rate 20 --change-seconds 4 --out /dev/null

The load is 80 % of what `wrk` gets out of POST /recommend with 64 clients just before, sent at fixed times by
`benchmarks/steady.py`: of 20 requests 14 ask by history, two by user, two tell an event of such a user, one
asks what is similar, one completes a basket. Every minute a change of the catalogue comes and, half a minute
later, its revert. Events, answers and changes are kept on disk, as a shop would.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from benchmarks import timing
from benchmarks.load import load
from benchmarks.serving_load import AT_ONCE, K, frozen_requests
from benchmarks.steady import EVENT_KEY, write
from serving.connection import Connection
from serving.process import running

if TYPE_CHECKING:
    from models.bundle import Bundle

RESULT = timing.RESULTS / "soak.json"
SHARE_OF_PEAK = 0.8
SAMPLE_SECONDS, WARM_SECONDS = 5.0, 120.0
N_REQUESTS, N_USERS, N_CHANGED = 2_000, 5_000, 10


@dataclass(frozen=True, slots=True)
class Sample:
    """The service's worker at one moment.

    Attributes:
        seconds: since the load began.
        rss_mib: its memory.
        files: file descriptors that it has open.
    """

    seconds: float
    rss_mib: float
    files: int


def main() -> None:
    """Measure, print, plot and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, required=True, help="folder of a bundle")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rate", type=float, help="requests a second, instead of 80 %% of the peak")
    parser.add_argument("--peak-seconds", type=float, default=8.0)
    parser.add_argument("--change-seconds", type=float, default=60.0, help="from change to change")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    report = measure(given)
    print(json.dumps({name: value for name, value in report.items() if name not in ("minutes", "samples")}))
    timing.write(report, given.out)
    if given.out.suffix == ".json":
        plot(report, given.out.with_suffix(".png"))
    if report["total"]["failed"]:
        raise SystemExit("every answer must be 200, but some were not: see minutes and paths of the report.")


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """One soak; the report as written."""
    from models import bundle

    machine, loaded = timing.machine(), bundle.load(given.bundle)
    asked = mixed(loaded)
    with tempfile.TemporaryDirectory(prefix="encore-soak-") as scratch:
        folder = Path(scratch)
        write(asked, folder / "requests")
        events, answers, changes = folder / "events.db", folder / "answers", folder / "changes"
        with running(
            given.bundle, log=folder / "log", events=str(events), answers=answers, catalogue=changes
        ) as url:
            worker = worker_of_service()
            ready, rate, peak = sample(worker, 0.0), given.rate, None
            if rate is None:
                bodies = [body for path, body in asked if path == "/recommend"]
                peak = load(f"{url}/recommend", bodies, max(AT_ONCE), given.peak_seconds).per_second
                rate = SHARE_OF_PEAK * peak
            command = [sys.executable, "-m", "benchmarks.steady", url, str(folder / "requests")]
            command += ["--rate", str(rate), "--seconds", str(60 * given.minutes)]
            changing = Changing(url, change_of(loaded), given.change_seconds)
            samples, told = watched(command, worker, changing)
            sizes = {name: size_mb(at) for name, at in (("events", events), ("answers", answers))}
    return {
        "command": f"python -m benchmarks.soak --bundle DIR --minutes {given.minutes:g}",
        "machine": machine,
        "bundle": {"family": loaded.recommender.family, "n_items": len(loaded.catalogue)},
        "peak_per_second": peak,
        "requests_per_second": round(rate, 1),
        **memory(ready, samples),
        "files": [samples[0].files, samples[-1].files],
        "megabytes_on_disk": sizes,
        "catalogue_acts": changing.n_acts,
        "slowest_act_seconds": round(changing.slowest, 2),
        "client_cpu_seconds": told["cpu_seconds"],
        "total": told["total"],
        "paths": told["paths"],
        "minutes": told["minutes"],
        "samples": [asdict(each) for each in samples],
    }


def mixed(loaded: "Bundle") -> list[tuple[str, bytes]]:
    """Paths and bodies in the order in which they are sent."""
    rng, keys = np.random.default_rng(0), loaded.catalogue.keys
    known = loaded.user_keys
    asked: list[tuple[str, bytes]] = []
    for place, request in enumerate(frozen_requests(loaded, N_REQUESTS)):
        item, turn = keys[rng.integers(len(keys))], place % 20
        number = int(rng.integers(N_USERS))
        user = known[number % len(known)] if number % 2 else f"soak {number}"
        if turn in (3, 13):
            asked.append(_json("/recommend", user=user, k=K))
        elif turn in (6, 16):
            said = {"user": user, "item": item, "kind": "purchase"}
            asked.append(_json("/events", event_key=EVENT_KEY.decode(), **said))
        elif turn == 9:
            asked.append(_json("/similar", item=item, k=K))
        elif turn == 19:
            basket = (request.history or [])[-3:] or [item]
            asked.append(_json("/complete", basket=list(dict.fromkeys(basket)), k=K))
        else:
            asked.append(("/recommend", request.model_dump_json(exclude_defaults=True).encode()))
    return asked


def change_of(loaded: "Bundle") -> bytes:
    """A change: items like known ones under new keys; hidden ones where a bundle cannot take on new ones."""
    rows = loaded.catalogue.frame.head(N_CHANGED).to_dicts()
    if loaded.items is None or loaded.items.encoder is None or not loaded.catalogue.text_fields:
        return json.dumps({"items": [{"item": row["item_key"], "hidden": True} for row in rows]}).encode()
    names = loaded.catalogue.text_fields
    items = [
        {"item": f"soak {place}", "fields": {name: row[name] or "soak" for name in names}}
        for place, row in enumerate(rows)
    ]
    return json.dumps({"items": items}).encode()


class Changing:
    """Changes of the catalogue and their reverts, when they are due.

    Args:
        url: of the service.
        change: body of the change.
        seconds: from change to change; the revert comes half-way.
    """

    def __init__(self, url: str, change: bytes, seconds: float) -> None:
        self._client, self._change = Connection(url), change
        self._half = seconds / 2
        self.n_acts = 0
        self.slowest = 0.0

    def act(self, now: float) -> None:
        """What is due `now`, in seconds since the start.

        Raises:
            RuntimeError: it was refused.
        """
        if now < (self.n_acts + 1) * self._half:
            return
        is_change, start = self.n_acts % 2 == 0, time.perf_counter()
        acts = (("PUT", "/catalogue", self._change), ("POST", "/catalogue/revert", b"{}"))
        method, path, body = acts[0 if is_change else 1]
        self._client.close()  # the service hangs up on who says nothing for long
        reply = self._client.send(method, path, body)
        self.n_acts += 1
        self.slowest = max(self.slowest, time.perf_counter() - start)
        if reply.status != 200:
            raise RuntimeError(f"{method} {path} must be taken, but got {reply.status} {reply.body[:300]!r}.")


def watched(
    command: Sequence[str], worker: psutil.Process, changing: Changing
) -> tuple[list[Sample], dict[str, Any]]:
    """Samples while a load runs, and what it printed.

    Raises:
        RuntimeError: the load failed, or a change was refused.
    """
    asking = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    start, samples = time.perf_counter(), [sample(worker, 0.0)]
    try:
        while True:
            try:
                said, _ = asking.communicate(timeout=min(SAMPLE_SECONDS, 1.0))
                break
            except subprocess.TimeoutExpired:
                now = time.perf_counter() - start
            changing.act(now)
            if now - samples[-1].seconds >= SAMPLE_SECONDS:
                samples.append(sample(worker, now))
    finally:
        asking.kill()
    if asking.returncode != 0:
        raise RuntimeError(f"the load must end well, but ended with {asking.returncode}: see above.")
    samples.append(sample(worker, time.perf_counter() - start))
    told: dict[str, Any] = json.loads(said)
    return samples, told


def worker_of_service() -> psutil.Process:
    """The largest child, which holds the model."""
    children = psutil.Process().children(recursive=True)
    return max(children, key=lambda child: int(child.memory_info().rss))


def sample(worker: psutil.Process, seconds: float) -> Sample:
    """The worker now."""
    rss = worker.memory_info().rss / timing.MIB
    return Sample(round(seconds, 1), round(rss, 1), worker.num_fds())


def memory(ready: Sample, samples: Sequence[Sample]) -> dict[str, float]:
    """RSS in MiB at some moments, and how fast it grows in the last three quarters."""
    warm = next((each for each in samples if each.seconds >= WARM_SECONDS), samples[-1])
    late = [each for each in samples if each.seconds >= samples[-1].seconds / 4]
    return {
        "rss_mib_ready": ready.rss_mib,
        "rss_mib_start": samples[0].rss_mib,
        "rss_mib_after_2_minutes": warm.rss_mib,
        "rss_mib_end": samples[-1].rss_mib,
        "rss_mib_per_hour": round(slope(late, lambda each: each.rss_mib), 1),
    }


def slope(samples: Sequence[Sample], of: Callable[[Sample], float]) -> float:
    """Growth of a value in an hour, by least squares; nan for fewer than two samples."""
    if len(samples) < 2:
        return float("nan")
    hours = np.array([each.seconds for each in samples]) / 3600
    return float(np.polyfit(hours, [of(each) for each in samples], 1)[0])


def size_mb(path: Path) -> float:
    """Megabytes of a folder, or of a file and what SQLite keeps beside it."""
    files = path.rglob("*") if path.is_dir() else path.parent.glob(f"{path.name}*")
    return round(sum(file.stat().st_size for file in files if file.is_file()) / 1e6, 2)


def plot(report: dict[str, Any], path: Path) -> None:
    """Memory, and p50 and p99 of each minute, over time."""
    import matplotlib.pyplot as plt

    figure, (above, below) = plt.subplots(2, sharex=True, figsize=(7, 5), layout="constrained")
    samples, minutes = report["samples"], report["minutes"]
    above.plot([each["seconds"] / 60 for each in samples], [each["rss_mib"] for each in samples])
    above.set_ylim(0, 1.1 * max(each["rss_mib"] for each in samples))
    above.set(ylabel="memory of the worker, MiB", title=f"{report['requests_per_second']:,.0f} requests/s")
    at = [number + 0.5 for number in range(len(minutes))]
    for name in ("p50", "p99"):
        below.plot(at, [each[f"{name}_ms"] for each in minutes], "o-", label=name)
    below.set_ylim(bottom=0)
    below.set(xlabel="minutes", ylabel="time of an answer, ms")
    below.legend()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _json(path: str, **body: object) -> tuple[str, bytes]:
    return path, json.dumps(body).encode()


if __name__ == "__main__":
    main()
