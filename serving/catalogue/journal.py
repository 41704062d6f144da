"""Journal: the acts on a catalogue as JSON lines on disk, so that they outlive the process; knows no model.

A line is on disk before its act is answered. A last line that a crash cut off was never answered, and is
dropped. One process at a time owns a folder.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from serving.catalogue.schemas import CatalogueChange

logger = logging.getLogger(__name__)

NAME = "changes.jsonl"


@dataclass(frozen=True, slots=True)
class Line:
    """One act.

    Attributes:
        version: that it made.
        at: Unix seconds UTC.
        bundle: digest of the champion's bundle then.
        change: what a change said; None for a revert.
        to: version that a revert went back to; None for a change.
    """

    version: int
    at: float
    bundle: str
    change: CatalogueChange | None = None
    to: int | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """The inverse of `text`.

        Raises:
            ValueError: it is no act.
            TypeError: likewise.
        """
        said = json.loads(text)
        if "change" in said:
            said["change"] = CatalogueChange.model_validate(said["change"])
        return cls(**said)

    def text(self) -> str:
        """One line of JSON; made item by item, because a single call would stop every other thread."""
        head = {"version": self.version, "at": self.at, "bundle": self.bundle}
        if self.change is None:
            return json.dumps({**head, "to": self.to})
        items = ", ".join(each.model_dump_json(exclude_unset=True) for each in self.change.items)
        return json.dumps(head)[:-1] + f', "change": {{"items": [{items}]}}}}'


class Journal:
    """The acts of one service.

    Args:
        folder: made if missing; owned until `close` or the end of the process.

    Raises:
        ValueError: another process owns the folder.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.file = folder / NAME
        self._handle = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise ValueError(
                f"a folder of catalogue changes belongs to one service, but {folder} is in use: name another "
                "in ENCORE_CATALOGUE, or stop the service that has it."
            ) from None
        self._drop_torn_line()

    def lines(self) -> Iterator[Line]:
        """See `read`."""
        return read(self.file)

    def append(self, line: Line) -> None:
        """Keep an act; it is on disk when this returns.

        Raises:
            OSError: it could not be written, and nothing of it is kept.
        """
        size = os.fstat(self._handle).st_size
        try:
            _write(self._handle, (line.text() + "\n").encode())
            os.fsync(self._handle)
        except OSError:
            os.ftruncate(self._handle, size)
            raise

    def close(self) -> None:
        """Give the folder back."""
        os.close(self._handle)

    def _drop_torn_line(self) -> None:
        content = self.file.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            logger.warning("event=catalogue_line_dropped file=%s bytes=%s", self.file, len(content) - whole)
            os.ftruncate(self._handle, whole)


def read(file: Path) -> Iterator[Line]:
    """All acts in a file, oldest first; also while a service appends to it.

    Raises:
        ValueError: a line is damaged.
    """
    with file.open(encoding="utf-8") as text:
        for number, line in enumerate(text, start=1):
            try:
                yield Line.read(line)
            except (ValueError, TypeError) as error:
                raise ValueError(
                    f"{file}: line {number} must be an act as it was written, but it is damaged: "
                    "restore the file, or move it away to begin with the bundle's catalogue."
                ) from error


def _write(handle: int, content: bytes) -> None:
    """All of it; `os.write` may write a part."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]
