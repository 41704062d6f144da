"""Pieces: the results of a benchmark, one folder each, named by the content of what they were made from.

A piece appears whole or not at all, so a benchmark that was killed goes on behind the last finished one; the
draft of the one it was in is kept, with the checkpoint of its training. Several commands may work on one
benchmark: a piece that one of them makes is waited for by the others.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from flows import fingerprint
from flows.files import drafted, read_json, write_json

logger = logging.getLogger(__name__)

DIGITS = 16
RESULT = "result.json"
LOCKS = ".locks"


@dataclass(frozen=True, slots=True)
class Piece:
    """A finished result.

    Attributes:
        folder: where it lies.
        result: what its JSON holds.
    """

    folder: Path
    result: dict[str, Any]


Make = Callable[[Path], dict[str, Any]]
"""Fills a draft folder and returns what the JSON shall hold."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """All results of one data set.

    Attributes:
        root: their folder.
        only_found: make nothing, give what is there.
    """

    root: Path
    only_found: bool = False

    def get(self, words: str, content: Any, make: Make) -> Piece | None:
        """The piece, made if it is not there; None where nothing may be made.

        Args:
            words: what it is, for people: "sasrec tune".
            content: everything its numbers depend on.
            make: see `Make`.
        """
        name = words.replace(" ", "-").replace("/", "~")
        folder = self.root / f"{name}-{fingerprint.of(words, content)[:DIGITS]}"
        if self.only_found:
            return Piece(folder, read_json(folder / RESULT)) if folder.is_dir() else None
        locks = self.root / LOCKS
        locks.mkdir(parents=True, exist_ok=True)
        with FileLock(locks / folder.name):  # another command may be making it: wait, then it is found
            self._make(folder, f"{self.root.name} · {words}", make)
        return Piece(folder, read_json(folder / RESULT))

    def _make(self, folder: Path, label: str, make: Make) -> None:
        if folder.is_dir():
            logger.info("event=step_found step=%s path=%s", label, folder)
            return
        started = time.perf_counter()
        with drafted(folder, keep=True) as draft:
            write_json(draft / RESULT, make(draft))
        seconds = time.perf_counter() - started
        logger.info("event=step_done step=%s seconds=%.1f path=%s", label, seconds, folder)
