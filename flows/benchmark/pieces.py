"""Pieces: the results of a benchmark, one folder each, named by the content of what they were made from.

A piece appears whole or not at all, so a benchmark that was killed goes on behind the last finished one; the
draft of the one it was in is kept, with the checkpoint of its training.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows import fingerprint
from flows.files import drafted, read_json, write_json

logger = logging.getLogger(__name__)

DIGITS = 16
RESULT = "result.json"


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
        label = f"{self.root.name} · {words}"
        if folder.is_dir():
            if not self.only_found:
                logger.info("event=step_found step=%s path=%s", label, folder)
        elif self.only_found:
            return None
        else:
            started = time.perf_counter()
            with drafted(folder, keep=True) as draft:
                write_json(draft / RESULT, make(draft))
            seconds = time.perf_counter() - started
            logger.info("event=step_done step=%s seconds=%.1f path=%s", label, seconds, folder)
        return Piece(folder, read_json(folder / RESULT))
