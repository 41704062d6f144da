"""Answer log: what was asked and answered, a line each, so that any answer can be traced and made again.

Kept only where ENCORE_ANSWERS names a folder: a line holds what the caller sent, user key and history too.
Files are `answers-DAY.jsonl`, `answers-DAY.1.jsonl`...: one a day (UTC) and a further one for each
`PART_BYTES`; `mirrored-DAY.jsonl` has what a shadow would have answered. Old ones are deleted.
"""

import json
import logging
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Any, Literal

from data.event_store.users import UserKeys
from data.interactions import SECONDS_PER_DAY
from serving.answers.erase import erase
from serving.answers.recent import Recent
from serving.door.schemas import RecommendRequest, RecommendResponse

logger = logging.getLogger(__name__)

Kind = Literal["answers", "mirrored"]
PART_BYTES = 64_000_000


class AnswerLog:
    """Files in a folder; lines of several processes do not mix.

    Args:
        folder: made if missing.
        days: files of days before so many are deleted; None keeps them.
        megabytes: above this the oldest files are deleted; None for no limit. A file that is being written to
            is never deleted, so there may be `PART_BYTES` more.
        users: how user keys are written; None for as they came.
    """

    def __init__(
        self,
        folder: Path,
        days: int | None = None,
        megabytes: int | None = None,
        users: UserKeys | None = None,
    ) -> None:
        self.folder = folder
        self._users = users or UserKeys()
        self._days = days
        self._bytes = None if megabytes is None else megabytes * 1_000_000
        self._open: dict[Kind, tuple[str, Path]] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._tidy(time.time())

    def note(
        self,
        request: RecommendRequest,
        response: RecommendResponse,
        trial: dict[str, Any] | None = None,
        recent: Recent | None = None,
    ) -> RecommendResponse:
        """Keep a line; returns the response with the id that names it and begins with its day.

        A disk that is full costs the line and its id, not the answer.

        Args:
            request: as it came.
            response: as it was made.
            trial: what is known of it in a trial, None outside one.
            recent: what was known of the user beside the bundle, None for nothing.
        """
        now = time.time()
        name = f"{_day(now).replace('-', '')}-{uuid.uuid4().hex}"
        line = {"id": name, **_heading(now, response), "request": self._asked(request)}
        line |= _list(response) | ({} if trial is None else {"trial": trial})
        line |= {} if recent is None else _beside(recent)
        return response.model_copy(update={"id": name}) if self._kept("answers", line, now) else response

    def note_mirror(self, of: str, response: RecommendResponse, latency_ms: float) -> None:
        """Keep what a shadow would have answered instead of the answer `of`."""
        now = time.time()
        line = {"of": of, **_heading(now, response), **_list(response), "latency_ms": latency_ms}
        self._kept("mirrored", line, now)

    def note_failed_mirror(self, of: str, error: str) -> None:
        """Keep that a shadow had no answer."""
        now = time.time()
        self._kept("mirrored", {"of": of, "when": now, "error": error}, now)

    def forget(self, users: set[str]) -> int:
        """Delete the answers to a user, whose key may have been written in several ways; returns how many.

        Raises:
            OSError: a file cannot be changed.
        """
        return erase(self.folder, users)

    def _asked(self, request: RecommendRequest) -> dict[str, Any]:
        asked = request.model_dump(exclude_defaults=True)
        return asked if request.user is None else {**asked, "user": self._users.stored(request.user)}

    def _kept(self, kind: Kind, line: dict[str, Any], now: float) -> bool:
        try:
            self._append(kind, json.dumps(line, ensure_ascii=False) + "\n", now)
        except OSError as error:
            logger.error("event=answer_not_kept reason=%s", error)
            return False
        return True

    def _append(self, kind: Kind, line: str, now: float) -> None:
        handle = os.open(self._file(kind, now), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, line.encode())
            if os.fstat(handle).st_size >= PART_BYTES:
                del self._open[kind]
        finally:
            os.close(handle)

    def _file(self, kind: Kind, now: float) -> Path:
        """The file that is written to: today's first that is not full."""
        day = _day(now)
        known = self._open.get(kind)
        if known is not None and known[0] == day:
            return known[1]
        self._tidy(now)
        number, file = 0, self.folder / f"{kind}-{day}.jsonl"
        while file.exists() and file.stat().st_size >= PART_BYTES:
            number += 1
            file = self.folder / f"{kind}-{day}.{number}.jsonl"
        self._open[kind] = (day, file)
        return file

    def _tidy(self, now: float) -> None:
        """Delete what is too old, then the oldest of what is too much."""
        first = "" if self._days is None else _day(now - self._days * SECONDS_PER_DAY)
        kept = []
        for file in _files(self.folder, "answers-*") + _files(self.folder, "mirrored-*"):
            if day_of(file) < first:
                _delete(file)
            else:
                kept.append(file)
        if self._bytes is None:
            return
        kept.sort(key=day_of)
        sizes = [_size(file) for file in kept]
        total, newest = sum(sizes), {file for _, file in self._open.values()}
        for file, size in zip(kept, sizes, strict=True):
            if total > self._bytes and file not in newest:
                _delete(file)
                total -= size


def find(folder: Path, name: str) -> dict[str, Any] | None:
    """The line of an answer, newest day first; None where there is none."""
    pattern = f"answers-{day}*" if (day := day_in(name)) else "answers-*"
    for file in reversed(_files(folder, pattern)):
        for line in _lines(file, f'"{name}"'):
            if line["id"] == name:
                return line
    return None


def lines(folder: Path, kind: Kind, having: str = "") -> Iterator[dict[str, Any]]:
    """Every kept line of a kind whose text holds `having`, oldest file first."""
    for file in _files(folder, f"{kind}-*"):
        yield from _lines(file, having)


def day_in(name: str) -> str | None:
    """The day (UTC) that the id of an answer begins with; None for one of an earlier version."""
    digits, dash, _ = name.partition("-")
    if not dash or len(digits) != 8 or not digits.isdecimal():
        return None
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"


def first_day(folder: Path) -> str | None:
    """The oldest day of which answers are kept; None where there are none."""
    files = _files(folder, "answers-*")
    return day_of(files[0]) if files else None


def day_of(file: Path) -> str:
    """The day of a file: 2026-11-25."""
    return file.name.partition("-")[2].partition(".")[0]


def _lines(file: Path, having: str) -> Iterator[dict[str, Any]]:
    """Lines that hold `having`; one that was cut off by a full disk is passed over."""
    with file.open(encoding="utf-8", errors="replace") as text:
        for line in text:
            if having in line and line.endswith("}\n"):
                try:
                    yield json.loads(line)
                except ValueError:
                    logger.warning("event=answer_line_damaged file=%s", file)


def _files(folder: Path, pattern: str) -> list[Path]:
    """Files by day, then part."""
    return sorted(folder.glob(f"{pattern}.jsonl"), key=lambda file: (day_of(file), _part_of(file)))


def _part_of(file: Path) -> int:
    middle = file.name.split(".")[1]
    return int(middle) if middle.isdecimal() else 0


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # another process of the folder deleted it
        return 0


def _delete(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)  # another process of the folder may have been first
        logger.info("event=answers_deleted file=%s", file)
    except OSError as error:
        logger.error("event=answers_not_deleted file=%s reason=%s", file, error)


def _beside(recent: Recent) -> dict[str, Any]:
    """What `encore trace` needs to answer the same question in the same way."""
    events = {"recent": [astuple(event) for event in recent.events]} if recent.events else {}
    return events | ({"forgotten": True} if recent.is_forgotten else {})


def _heading(now: float, response: RecommendResponse) -> dict[str, Any]:
    return {"when": now, "bundle": response.lineage.bundle, "bento": response.lineage.bento}


def _list(response: RecommendResponse) -> dict[str, Any]:
    return {
        "items": [each.item for each in response.items],
        "scores": [each.score for each in response.items],
        **({} if response.fallback is None else {"fallback": response.fallback}),
        **({"catalogue": response.catalogue} if response.catalogue else {}),
    }


def _day(now: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(now))
