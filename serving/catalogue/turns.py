"""Turns: threads that work hard let those that answer requests run sooner; knows no catalogue."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

TURN_SECONDS = 0.0001

_lock = threading.Lock()
_usual: list[float] = []


@contextmanager
def short_turns() -> Iterator[None]:
    """Hand the interpreter over after `TURN_SECONDS` instead of Python's 5 ms, in all threads, while inside.

    A request takes the interpreter some dozen times, after each matrix product, and would wait each time.
    May be entered by several threads at once.
    """
    with _lock:
        _usual.append(sys.getswitchinterval())
        sys.setswitchinterval(TURN_SECONDS)
    try:
        yield
    finally:
        with _lock:
            first = _usual[0]
            _usual.pop()
            if not _usual:
                sys.setswitchinterval(first)
