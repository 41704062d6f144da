"""Events: acknowledged feedback a second beside what the disk can sync, and what a look-up costs.

python -m benchmarks.events [--postgres URL]
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import psutil

from benchmarks.timing import RESULTS, machine, write
from data.catalogue import Catalogue
from data.event_store import open_store
from data.event_store.event import Event, EventStore
from data.event_store.users import UserKeys
from data.interactions import Interactions
from models.baselines.popularity import Popularity, PopularityConfig
from models.bundle import Bundle, save
from models.recommender import Recommender

CLIENTS = (1, 8, 64)
BATCH = 64
STORED, USERS, LOOK_UPS = 1_000_000, 20_000, 2_000
KINDS = ("purchase",)
RECORD = b"x" * 200  # about the size of an event in the file


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table.

    Attributes:
        what: what was done.
        store: "disk", "sqlite" or "postgresql".
        at_once: events of a transaction, or clients.
        p50_ms, p99_ms: of a call.
        per_second: events that were on disk, or look-ups, in a second.
        cpu_ms: processor time of the service for a call, PostgreSQL's not counted; None where there is none.
    """

    what: str
    store: str
    at_once: int
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    per_second: float = 0.0
    cpu_ms: float | None = None

    def __str__(self) -> str:
        """A line of the printed table."""
        return (
            f"{self.what:<22}{self.store:<12}{self.at_once:>8}{self.p50_ms:>10.3f}{self.p99_ms:>10.3f}"
            f"{self.per_second:>12.0f}"
            f"{'' if self.cpu_ms is None else format(self.cpu_ms, '10.3f')}"
        )


@dataclass(frozen=True, slots=True)
class Service:
    """A running service.

    Attributes:
        url: its address.
        processes: all of it.
    """

    url: str
    processes: list[psutil.Process]

    def cpu_seconds(self) -> float:
        """Processor time that it has used."""
        times = [each.cpu_times() for each in self.processes]
        return float(sum(each.user + each.system for each in times))


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=4_000, help="told over HTTP per number of clients")
    parser.add_argument("--stored", type=int, default=STORED, help="events in the store for the look-ups")
    parser.add_argument("--postgres", help="URL of an empty database; leave fsync on")
    parser.add_argument("--out", type=Path, default=RESULTS / "events.json")
    given = parser.parse_args()
    lines: list[Line] = []
    print(f"{'':<22}{'':<12}{'at once':>8}{'p50 ms':>10}{'p99 ms':>10}{'events/s':>12}{'cpu ms':>10}")
    with tempfile.TemporaryDirectory(prefix="encore-events-", dir=Path.cwd()) as scratch:
        folder = Path(scratch)
        for line in measured(folder, given.postgres, given.events, given.stored):
            lines.append(line)
            print(line, flush=True)
    report = {
        "command": f"python -m benchmarks.events --events {given.events} --stored {given.stored}"
        + (" --postgres URL" if given.postgres else ""),
        "machine": machine(),
        "lines": [asdict(line) for line in lines],
    }
    write(report, given.out)


def measured(folder: Path, postgres: str | None, n_events: int, n_stored: int) -> Iterator[Line]:
    """All lines, the floors first."""
    yield synced(folder / "one", 1)
    yield synced(folder / "many", BATCH)
    addresses = {"sqlite": str(folder / "events.db")} | ({"postgresql": postgres} if postgres else {})
    for name, address in addresses.items():
        store = open_store(address, UserKeys())
        yield added(store, name, 1, 500)
        yield added(store, name, BATCH, 200)
        store.close()
        with served(folder, address) as service:
            yield refused(service, name, n_events)
            for n_clients in CLIENTS:
                yield told(service, name, n_clients, n_events)
            yield told(service, name, 8, BATCH * n_events, of_body=BATCH)
    for name, address in addresses.items():
        yield looked_up(open_store(address, UserKeys()), name, n_stored)


def synced(file: Path, at_once: int, n_calls: int = 300) -> Line:
    """The floor: append `at_once` records to a file and wait for the disk."""
    with file.open("wb", buffering=0) as out:

        def call(_: int) -> None:
            out.write(RECORD * at_once)
            os.fdatasync(out.fileno())

        return line_of("append and fdatasync", "disk", at_once, [timed(call, n) for n in range(n_calls)])


def added(store: EventStore, name: str, at_once: int, n_calls: int) -> Line:
    """Transactions of the store itself, one after the other."""

    def call(number: int) -> None:
        store.add([[event(f"add-{at_once}-{number}-{each}", each) for each in range(at_once)]])

    return line_of("store alone", name, at_once, [timed(call, n) for n in range(n_calls)])


def told(service: Service, name: str, n_clients: int, n_events: int, *, of_body: int = 1) -> Line:
    """Clients that tell the next events once some are acknowledged."""
    bodies = [
        body(f"told-{n_clients}-{n_events}", range(start, start + of_body))
        for start in range(0, n_events, of_body)
    ]
    what = "POST /events" if of_body == 1 else f"POST /events of {of_body}"
    return posted(service, bodies, Line(what, name, n_clients), expected=200, n_events=n_events)


def refused(service: Service, name: str, n_calls: int) -> Line:
    """The floor of HTTP: a body that is read and refused."""
    return posted(
        service, [b"{}"] * n_calls, Line("POST /events, refused", name, 1), expected=400, n_events=0
    )


def posted(service: Service, bodies: Sequence[bytes], line: Line, *, expected: int, n_events: int) -> Line:
    """`line` with what it took to post `bodies` by clients with a connection each, kept alive.

    Raises:
        RuntimeError: an answer was another than expected.
    """
    from serving.connection import Connection

    def post(mine: Sequence[bytes]) -> list[float]:
        client, seconds = Connection(service.url), []
        for each in mine:
            start = time.perf_counter()
            status, answer = client.post("/events", each)
            seconds.append(time.perf_counter() - start)
            if status != expected:
                raise RuntimeError(f"each answer must be {expected}, but got {status} {answer[:200]!r}.")
        client.close()
        return seconds

    start, spent = time.perf_counter(), service.cpu_seconds()
    with ThreadPoolExecutor(line.at_once) as pool:
        parts = list(pool.map(post, [bodies[client :: line.at_once] for client in range(line.at_once)]))
    per_second = n_events / (time.perf_counter() - start)
    cpu_ms = round((service.cpu_seconds() - spent) * 1000 / len(bodies), 3)
    seconds = [each for part in parts for each in part]
    return replace(line_of(line.what, line.store, line.at_once, seconds, per_second), cpu_ms=cpu_ms)


def looked_up(store: EventStore, name: str, n_stored: int) -> Line:
    """Look-ups of random users in a store of `n_stored` events; a second has so many of them."""
    rng = np.random.default_rng(0)
    users = rng.integers(0, USERS, n_stored)
    for start in range(0, n_stored, 10_000):
        chunk = users[start : start + 10_000].tolist()
        store.add([[event(f"s{start + row}", user, start + row) for row, user in enumerate(chunk)]])

    def call(_: int) -> None:
        store.of_user(f"user-{rng.integers(0, USERS)}", kinds=KINDS, since=0, limit=200)

    for warm in range(100):
        call(warm)
    seconds = [timed(call, number) for number in range(LOOK_UPS)]
    store.close()
    return line_of("look-up of a user", name, n_stored, seconds)


@contextmanager
def served(folder: Path, address: str) -> Iterator[Service]:
    """The service, with a model that costs nothing."""
    from serving.process import running

    model = Popularity(PopularityConfig(), np.array([3, 2, 1], dtype=np.float32))
    catalogue = Catalogue(pl.DataFrame({"item_key": ["a", "b", "c"]}))
    save(
        Bundle(cast(Recommender, model), catalogue, [], Interactions.from_histories([]), {}),
        folder / "bundle",
    )
    before = set(psutil.Process().children(recursive=True))
    with running(folder / "bundle", log=folder / "service.log", events=address) as url:
        service = Service(url, [*set(psutil.Process().children(recursive=True)) - before])
        told(service, "", max(CLIENTS), 2 * max(CLIENTS))  # connections and caches
        yield service


def event(key: str, user: int, timestamp: int = 0) -> Event:
    """An event on one of three items."""
    return Event(key, f"user-{user}", "abc"[user % 3], timestamp, "purchase")


def body(name: str, numbers: range) -> bytes:
    """Events over HTTP, each of another user."""
    events = [
        {"event_key": f"{name}-{n}", "user": f"user-{n}", "item": "abc"[n % 3], "kind": "purchase"}
        for n in numbers
    ]
    return json.dumps({"events": events}).encode()


def timed(call: Callable[[int], None], number: int) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    call(number)
    return time.perf_counter() - start


def line_of(
    what: str, store: str, at_once: int, seconds: Sequence[float], per_second: float | None = None
) -> Line:
    """A row from the seconds of calls that came one after the other, or with a rate of their own."""
    p50, p99 = (float(np.percentile(seconds, q)) * 1000 for q in (50, 99))
    n_events = 1 if what.startswith("look-up") else at_once
    rate = n_events * len(seconds) / sum(seconds) if per_second is None else per_second
    return Line(what, store, at_once, round(p50, 4), round(p99, 4), round(rate, 1))


if __name__ == "__main__":
    main()
