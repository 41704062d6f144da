"""Erase: one user's lines out of an answer log, in place.

A line becomes blanks of the same length, so that what other processes append meanwhile stays where it is;
readers pass blank lines over.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_OF = re.compile(rb'^\{"of": "([^"]*)"', re.MULTILINE)

Span = tuple[int, int]  # start and end of a line without its newline


def erase(folder: Path, users: Iterable[str]) -> int:
    """Blank the answers to `users`, as their keys are written in the log, and what a shadow said to them.

    Returns:
        Answers that were blanked. Requests by history name no user: theirs stay.

    Raises:
        OSError: a file cannot be read or written; what was blanked before it stays so.
    """
    wanted = set(users)
    erased: set[bytes] = set()
    for file in sorted(folder.glob("answers-*.jsonl")):
        content = file.read_bytes()
        found = dict(_answers(content, wanted))
        _blank(file, found)
        erased |= set(found.values())
    for file in sorted(folder.glob("mirrored-*.jsonl")) if erased else []:
        content = file.read_bytes()
        _blank(file, [_line(content, at.start()) for at in _OF.finditer(content) if at[1] in erased])
    return len(erased)


def _answers(content: bytes, users: set[str]) -> Iterator[tuple[Span, bytes]]:
    """Place and id of each answer to `users`; whole lines only."""
    for user in users:
        sought, at = json.dumps(user, ensure_ascii=False).encode(), 0
        while (at := content.find(sought, at)) >= 0:
            start, end = _line(content, at)
            if (name := _name(content[start:end], user)) is not None:
                yield (start, end), name.encode()
            at = end


def _line(content: bytes, at: int) -> Span:
    end = content.find(b"\n", at)
    return content.rfind(b"\n", 0, at) + 1, len(content) if end < 0 else end


def _name(line: bytes, user: str) -> str | None:
    """Id of the answer in `line`, None where it was not to `user`, or the line was cut off."""
    try:
        kept = json.loads(line)
        return str(kept["id"]) if kept["request"].get("user") == user else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _blank(file: Path, spans: Iterable[Span]) -> None:
    spans = list(spans)
    if not spans:
        return
    handle = os.open(file, os.O_WRONLY)
    try:
        for start, end in spans:
            os.pwrite(handle, b" " * (end - start), start)
        os.fsync(handle)
    finally:
        os.close(handle)
