"""Catalogue swap: thousands of new items put into a served catalogue while requests come at a steady rate.

    python -m benchmarks.catalogue_swap
    python -m benchmarks.catalogue_swap --items 500 --new 100 --rounds 1 --quiet-seconds 2 --out /dev/null

The bundle is made here: random titles and purchases, trie-pointer with the sizes of the default run, trained
for one epoch, because speed does not depend on what it learned. Clients run in a process of their own and ask
at fixed times, whether or not the answer before has come, so a pause of the service shows in every request it
holds up. A round puts the items, waits, and reverts.
"""

import argparse
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import timing
from benchmarks.serving_load import N_EVENTS
from serving.connection import Connection
from serving.process import running

if TYPE_CHECKING:
    from models.bundle import Bundle

RESULT = Path(__file__).with_name("results") / "catalogue_swap.json"
N_USERS, LENGTH, N_WORDS = 2_000, 30, 3_000
N_CLIENTS = 16


@dataclass(frozen=True, slots=True)
class Span:
    """Requests that were due in a span of time.

    Attributes:
        requests: how many.
        failed: answers other than 200.
        p50_ms, p99_ms, max_ms: from when a request was due to its answer.
    """

    requests: int
    failed: int
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Round:
    """One change.

    Attributes:
        seconds: from the first byte of the change to the first answer of the new version.
        revert_seconds: of the revert after it.
        before, during, after: requests around the change.
    """

    seconds: float
    revert_seconds: float
    before: Span
    during: Span
    after: Span

    def __str__(self) -> str:
        """A line of the printed table."""
        spans = (self.before, self.during, self.after)
        told = "".join(
            f"{s.requests:>8}{s.failed:>5}{s.p50_ms:>7.1f}{s.p99_ms:>7.1f}{s.max_ms:>7.1f}" for s in spans
        )
        return f"{self.seconds:>8.2f}{self.revert_seconds:>8.2f}{told}"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--items", type=int, default=25_000, help="of the bundle")
    parser.add_argument("--new", type=int, default=10_000, help="items of a change")
    parser.add_argument("--rate", type=float, default=40.0, help="requests a second")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quiet-seconds", type=float, default=10.0, help="before and after a change")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument(
        "--load", nargs=2, metavar=("URL", "BODIES"), help="only ask; used by the command itself"
    )
    given = parser.parse_args()
    if given.load is not None:
        load(given.load[0], Path(given.load[1]), given.rate)
        return
    report = measure(given)
    timing.write(report, given.out)


def measure(given: argparse.Namespace) -> dict[str, object]:
    """All rounds, printed as they come; the report as written.

    Raises:
        RuntimeError: a request failed.
    """
    from models.bundle import save

    machine, packed = timing.machine("polars", "scikit-learn"), made(given.items)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        save(packed, folder / "bundle")
        bodies = folder / "bodies.json"
        bodies.write_text(json.dumps(questions(packed)))
        head = "".join(f"{name:>8} bad    p50    p99    max" for name in ("before", "during", "after"))
        print(f"{'s':>8}{'revert':>8}{head}")
        with running(folder / "bundle", log=folder / "log", catalogue=folder / "changes") as url:
            rounds = [one_round(url, bodies, given, number) for number in range(given.rounds)]
    if any(span.failed for each in rounds for span in (each.before, each.during, each.after)):
        raise RuntimeError("every answer must be 200, but some were not: see the table and run it again.")
    return {
        "command": f"python -m benchmarks.catalogue_swap --items {given.items} --new {given.new}",
        "machine": machine,
        "family": packed.recommender.family,
        "config": packed.recommender.config.model_dump(mode="json"),
        "items": given.items,
        "new": given.new,
        "requests_per_second": given.rate,
        "rounds": [asdict(each) for each in rounds],
    }


def one_round(url: str, bodies: Path, given: argparse.Namespace, number: int) -> Round:
    """Put new items under load, and revert."""
    change = json.dumps({"items": [new_item(number * given.new + at) for at in range(given.new)]}).encode()
    command = [sys.executable, "-m", "benchmarks.catalogue_swap", "--load", url, str(bodies)]
    command += ["--rate", str(given.rate)]
    asking = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert asking.stdout is not None
    asking.stdout.readline()  # it has begun
    time.sleep(given.quiet_seconds)
    start, version = time.time(), 1 + 2 * number
    sent(url, "PUT", "/catalogue", change, version)
    put = time.time()
    time.sleep(given.quiet_seconds)
    end = time.time()
    answers = json.loads(asking.communicate()[0])
    began = time.perf_counter()
    sent(url, "POST", "/catalogue/revert", b"{}", version + 1)
    revert_seconds = time.perf_counter() - began
    first = min(due + ms / 1000 for due, ms, _, catalogue in answers if catalogue == version)
    line = Round(
        seconds=round(first - start, 3),
        revert_seconds=round(revert_seconds, 3),
        before=span(answers, start - given.quiet_seconds, start),
        during=span(answers, start, max(first, put)),
        after=span(answers, max(first, put), end),
    )
    print(line, flush=True)
    return line


def sent(url: str, method: str, path: str, body: bytes, version: int) -> None:
    """Send an act, which must make `version`."""
    import urllib.request

    request = urllib.request.Request(url + path, body, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=120) as reply:
        state = json.loads(reply.read())
    if state["version"] != version:
        raise RuntimeError(f"the act must make version {version}, but made {state['version']}: run it alone.")


def span(answers: list[tuple[float, float, int, int]], begin: float, end: float) -> Span:
    """The requests that were due in [begin, end)."""
    here = [(ms, status) for due, ms, status, _ in answers if begin <= due < end]
    p50, p99, most = (round(float(np.percentile([ms for ms, _ in here], q)), 1) for q in (50, 99, 100))
    return Span(len(here), sum(status != 200 for _, status in here), p50, p99, most)


def load(url: str, bodies: Path, rate: float) -> None:
    """Ask `rate` times a second until standard input ends; then print due time, ms, status and version."""
    questions = [text.encode() for text in json.loads(bodies.read_text())]
    due: queue.Queue[tuple[float, bytes] | None] = queue.Queue()
    answers: list[tuple[float, float, int, int]] = []
    ended = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=listen, daemon=True).start()

    def ask() -> None:
        client = Connection(url)
        while (asked := due.get()) is not None:
            when, body = asked
            status, answer = client.post("/recommend", body)
            version = json.loads(answer)["catalogue"] if status == 200 else -1
            answers.append((when, (time.time() - when) * 1000, status, version))
        client.close()

    clients = [threading.Thread(target=ask) for _ in range(N_CLIENTS)]
    for client in clients:
        client.start()
    print("asking", flush=True)
    start, number = time.time(), 0
    while not ended.is_set():
        when = start + number / rate
        time.sleep(max(0.0, when - time.time()))
        due.put((when, questions[number % len(questions)]))
        number += 1
    for _ in clients:
        due.put(None)
    for client in clients:
        client.join()
    print(json.dumps(answers))


def made(n_items: int) -> "Bundle":
    """A bundle of `n_items` items with random titles, and a model of them."""
    from data.catalogue import Catalogue
    from data.interactions import SECONDS_PER_DAY, Interactions
    from models.bundle import Bundle
    from models.fitting import fit_codes, fit_family
    from models.item_encoders.tfidf import TfidfConfig
    from models.recommender import FitData
    from models.tokenizers.residual_kmeans import ResidualKMeansConfig

    rng = np.random.default_rng(0)
    items = ((rng.random((N_USERS, LENGTH)) ** 2) * n_items).astype(np.int64).tolist()
    events = Interactions.from_histories(items, [(np.arange(LENGTH) * SECONDS_PER_DAY).tolist()] * N_USERS)
    rows = [item(f"item {number}", rng) for number in range(n_items)]
    catalogue = Catalogue(frame_of(rows), ("brand", "title"))
    size = min(256, n_items // 4)
    codes = fit_codes(catalogue, events, TfidfConfig(), ResidualKMeansConfig(codebook_size=size), seed=0)
    data = FitData(events, n_items, codes.vectors, codes.table)
    model = fit_family("trie-pointer", {"epochs": 1}, data, seed=0).recommender
    return Bundle(model, catalogue, [f"user {number}" for number in range(N_USERS)], events, {}, codes)


def frame_of(rows: list[dict[str, Any]]) -> Any:
    """Items as a table."""
    import polars as pl

    return pl.DataFrame([{"item_key": row["item"], **row["fields"]} for row in rows])


def new_item(number: int) -> dict[str, Any]:
    """The change that adds an item."""
    return item(f"new {number}", np.random.default_rng(1_000_000 + number))


def item(key: str, rng: np.random.Generator) -> dict[str, Any]:
    """Four words and a brand; frequent words are more frequent."""
    words = (rng.random(4) ** 3 * N_WORDS).astype(int)
    title = " ".join(f"word{word}" for word in words)
    return {"item": key, "fields": {"title": title, "brand": f"brand{int(rng.integers(200))}"}}


def questions(packed: "Bundle") -> list[str]:
    """Histories of the bundle's users as bodies, newest 50 events."""
    keys, events = packed.catalogue.keys, packed.histories.last(N_EVENTS)
    rows = zip(events.offsets[:-1], events.offsets[1:], strict=True)
    return [
        json.dumps({"history": [keys[at] for at in events.item[begin:end]], "k": 10}) for begin, end in rows
    ]


if __name__ == "__main__":
    main()
