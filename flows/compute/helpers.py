"""Helpers: processes that run the same function beside this one, and end with it, however it ends."""

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class HelperFailed(RuntimeError):
    """A helper ended with an error of its own, which it printed."""


@contextmanager
def helped(n: int, function: Callable[..., None], **arguments: Any) -> Iterator[None]:
    """Run `function(**arguments)` in `n` fresh processes while the block runs, and wait for them after it.

    A helper that was killed is none of our business: what it had begun is begun again by those that are left.
    An error in the block ends the helpers.

    Args:
        n: how many; 0 for none.
        function: of a module, so that a fresh process finds it.
        arguments: can be pickled.

    Raises:
        HelperFailed: one of them raised.
    """
    fresh = multiprocessing.get_context("spawn")
    helpers = [fresh.Process(target=_help, args=(function, arguments), daemon=True) for _ in range(n)]
    for helper in helpers:
        helper.start()
    try:
        yield
        for helper in helpers:
            helper.join()
    finally:
        for helper in helpers:
            helper.terminate()
    failed = [helper.exitcode for helper in helpers if helper.exitcode and helper.exitcode > 0]
    if failed:
        raise HelperFailed(
            f"{n} helpers must end well, but {len(failed)} raised an error: it is printed above; "
            "set workers = 1 to see it where it happens."
        )


def is_helper() -> bool:
    """Whether this process helps another, whose bars stand on the terminal."""
    return multiprocessing.parent_process() is not None


def _help(function: Callable[..., None], arguments: dict[str, Any]) -> None:
    threading.Thread(target=follow_parent, daemon=True).start()
    function(**arguments)


def follow_parent() -> None:
    """End at once when the parent is gone: killed with SIGKILL, it could not tell."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
