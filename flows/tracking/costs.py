"""Costs: what a step took of the machine, measured where it is made and kept beside what it left.

CPU seconds hold those of child processes that were waited for; memory is that of the process and its
children.
"""

import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from flows.files import read_json, write_json
from flows.fingerprint import VOLATILE

FILE = "cost.json"
SAMPLE_SECONDS = 0.25
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Cost:
    """What something took.

    Attributes:
        wall_seconds: from begin to end.
        cpu_seconds: of all cores.
        peak_mib: most resident memory that was seen, MiB.
    """

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mib: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        """One after the other.

        >>> Cost(1, 2, 30) + Cost(1, 1, 20)
        Cost(wall_seconds=2, cpu_seconds=3, peak_mib=30)
        """
        return Cost(
            self.wall_seconds + other.wall_seconds,
            self.cpu_seconds + other.cpu_seconds,
            max(self.peak_mib, other.peak_mib),
        )


def total(costs: Iterable[Cost]) -> Cost:
    """All of them, one after the other."""
    return sum(costs, Cost())


@dataclass
class Meter:
    """Runs while a block does; `cost` is complete when the block ends."""

    cost: Cost = field(default_factory=Cost)
    _peak: float = 0.0

    def sample(self) -> None:
        """Look at the memory now."""
        process = psutil.Process()
        bytes_now = process.memory_info().rss
        for child in process.children(recursive=True):
            with suppress(psutil.Error):
                bytes_now += child.memory_info().rss
        self._peak = max(self._peak, bytes_now / MIB)

    def finish(self, wall_seconds: float, cpu_seconds: float) -> None:
        """Look once more and set the cost."""
        self.sample()
        self.cost = Cost(round(wall_seconds, 3), round(cpu_seconds, 3), round(self._peak, 1))


@contextmanager
def metered() -> Iterator[Meter]:
    """Measure a block. Two blocks at once count each other's work."""
    meter, done = Meter(), threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_SECONDS):
            meter.sample()

    watcher = threading.Thread(target=watch, name="costs", daemon=True)
    watcher.start()
    wall, cpu = time.perf_counter(), _cpu_seconds()
    try:
        yield meter
    finally:
        done.set()
        watcher.join()
        meter.finish(time.perf_counter() - wall, _cpu_seconds() - cpu)


def keep(cost: Cost, folder: Path) -> None:
    """Write a cost beside an artefact; no part of its digest."""
    write_json(folder / VOLATILE / FILE, asdict(cost))


def kept(folder: Path) -> Cost:
    """What an artefact cost when it was made; nothing where it is not known."""
    file = folder / VOLATILE / FILE
    return Cost(**read_json(file)) if file.is_file() else Cost()


def _cpu_seconds() -> float:
    """Of this process and of the children that it waited for."""
    return sum(os.times()[:4])
