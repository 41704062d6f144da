"""Last run: what the newest retraining of a project looked at, and whether it came to an end.

A home is worked on by one retraining at a time. Who comes second waits, and then finds most steps done.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Literal

from filelock import FileLock, Timeout

from flows.environment import Home
from flows.files import read_json, write_json

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest retraining.

    Attributes:
        project: name of its config.
        snapshot: digest of its data.
        events: how many there were.
        started: Unix seconds UTC.
        trigger: what started it, in words.
        state: running, finished (promoted or refused), or failed; a run that was killed stays running.
    """

    project: str
    snapshot: str
    events: int
    started: int
    trigger: str
    state: Literal["running", "finished", "failed"]


def last_run(home: Home) -> LastRun | None:
    """The newest one; None before the first."""
    file = home.last_run
    return LastRun(**read_json(file)) if file.exists() else None


def is_running(home: Home) -> bool:
    """Whether a living process works on the home; a killed one does not count."""
    try:
        with FileLock(home.lock, blocking=False):
            return False
    except Timeout:
        return True


@contextmanager
def alone(home: Home, project: str, snapshot: str, events: int, trigger: str) -> Iterator[None]:
    """Be the only retraining of the home inside the block, and leave a note of how it ended."""
    lock = FileLock(home.lock)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        logger.info("event=waiting reason=another retraining works in %s", home.root)
        lock.acquire()
    try:
        run = LastRun(project, snapshot, events, int(time.time()), trigger, "running")
        write_json(home.last_run, asdict(run))
        try:
            yield
        except BaseException:
            write_json(home.last_run, asdict(replace(run, state="failed")))
            raise
        write_json(home.last_run, asdict(replace(run, state="finished")))
    finally:
        lock.release()
