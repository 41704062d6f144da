"""Ranks: processes that do one thing together; the end of one is the end of all, and its cause is told."""

import multiprocessing
import multiprocessing.connection
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from flows.compute.helpers import follow_parent

GRACE_SECONDS = 5.0
"""After the first trouble: how long the others may take to tell theirs, which may be its cause."""

Say = Callable[[Any], None]
"""How a rank tells its parent something while it works; what is said can be pickled."""


class RankFailed(RuntimeError):
    """A rank ended with an error or was killed, so the others were ended too."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """How a rank ended that should have gone on.

    Attributes:
        rank: which.
        what: it raised, or how it was killed.
        at: when, on a clock that all ranks share; -inf for a kill, which no other trouble leads to.
    """

    rank: int
    what: str
    at: float


def failure(troubles: Sequence[Trouble], size: int) -> RankFailed:
    """The first trouble is the cause; that the others lost touch with it is not worth a word."""
    first = min(troubles, key=lambda each: each.at)
    return RankFailed(
        f"{size} processes train together and must all go on, but rank {first.rank} {first.what}. All were "
        "ended: mend the cause and start again, the training goes on from its last finished epoch."
    )


def together(size: int, function: Callable[..., Any], hear: Say, /, **arguments: Any) -> Any:
    """Run `function(rank, say, **arguments)` in `size` fresh processes; what rank 0 returns.

    However this ends, no rank is left; they also end when this process is killed.

    Args:
        size: processes, with ranks from 0.
        function: of a module, so that a fresh process finds it.
        hear: called with what the ranks say; what it raises ends them.
        arguments: can be pickled.

    Raises:
        RankFailed: one of them raised, or was killed.
    """
    fresh = multiprocessing.get_context("spawn")
    ranks = [_Rank.started(fresh, number, function, arguments) for number in range(size)]
    try:
        troubles = _listen(ranks, hear)
    finally:
        for rank in ranks:
            rank.process.kill()
            rank.process.join()
            rank.ear.close()
    if troubles:
        raise failure(troubles, size)
    return ranks[0].result


@dataclass
class _Rank:
    """One process, and the end of the pipe in which it is heard."""

    number: int
    process: BaseProcess
    ear: Connection
    result: Any = None
    done: bool = False

    @classmethod
    def started(
        cls, fresh: Any, number: int, function: Callable[..., Any], arguments: dict[str, Any]
    ) -> "_Rank":
        ear, mouth = fresh.Pipe(duplex=False)
        process = fresh.Process(target=_work, args=(number, mouth, function, arguments), daemon=True)
        process.start()
        mouth.close()  # the only one left is the rank's, so its end is heard
        return cls(number, process, ear)

    def take(self, hear: Say) -> Trouble | None:
        """The next thing it said; an end without a word is a kill."""
        try:
            kind, content = self.ear.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode
            return Trouble(self.number, f"was killed (exit code {code})", float("-inf"))
        if kind == "failed":
            return Trouble(self.number, *content)
        if kind == "done":
            self.done, self.result = True, content
        else:
            hear(content)
        return None


def _listen(ranks: list[_Rank], hear: Say) -> list[Trouble]:
    """Hear all until they are done; after a first trouble a little longer."""
    waiting = {rank.ear: rank for rank in ranks}
    troubles: list[Trouble] = []
    until = float("inf")
    while waiting and time.monotonic() < until:
        left = None if until == float("inf") else max(0.0, until - time.monotonic())
        for ear in multiprocessing.connection.wait(list(waiting), left):
            rank = waiting[ear]  # type: ignore[index]
            trouble = rank.take(hear)
            if trouble is not None:
                troubles.append(trouble)
                until = min(until, time.monotonic() + GRACE_SECONDS)
            if trouble is not None or rank.done:
                del waiting[ear]  # type: ignore[arg-type]
    return troubles


def _work(number: int, mouth: Connection, function: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """What a rank does, and how it tells."""
    threading.Thread(target=follow_parent, daemon=True).start()
    try:
        result = function(number, lambda said: mouth.send(("said", said)), **arguments)
    except BaseException as error:
        at = time.monotonic()
        traceback.print_exc()
        mouth.send(("failed", (f"ended with {type(error).__name__}: {error}", at)))
        sys.exit(1)
    mouth.send(("done", result))
