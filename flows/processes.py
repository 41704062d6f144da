"""Processes: end this one and everything it started, at once."""

import os
from contextlib import suppress

import psutil

GRACE_SECONDS = 5.0  # between the request and the end of a child process


def stop_whole(code: int) -> None:
    """End with `code` and take all children along, those in sessions of their own too.

    An exception raised in a signal's handler would be swallowed if it met a destructor or a callback of a
    library. Nothing is lost: a run may be killed at any moment.
    """
    children = psutil.Process().children(recursive=True)
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.terminate()
    for survivor in psutil.wait_procs(children, timeout=GRACE_SECONDS)[1]:
        with suppress(psutil.NoSuchProcess):
            survivor.kill()
    os._exit(code)
