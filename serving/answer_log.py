"""Answer log: what was asked and answered, a line each, so that any answer can be traced and made again.

Kept only where ENCORE_ANSWERS names a folder: a line holds what the caller sent, user key and history too.
"""

import json
import logging
import os
import time
import uuid
from pathlib import Path
from typing import Any

from serving.schemas import RecommendRequest, RecommendResponse

logger = logging.getLogger(__name__)

PATTERN = "answers-*.jsonl"


class AnswerLog:
    """One file a day (UTC) in a folder; lines of several processes do not mix."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def note(self, request: RecommendRequest, response: RecommendResponse) -> RecommendResponse:
        """Keep a line; returns the response with the id that names it.

        A disk that is full costs the line and its id, not the answer.
        """
        name, now = uuid.uuid4().hex, time.time()
        line = {
            "id": name,
            "when": now,
            "bundle": response.lineage.bundle,
            "bento": response.lineage.bento,
            "request": request.model_dump(exclude_defaults=True),
            "items": [each.item for each in response.items],
            "scores": [each.score for each in response.items],
        }
        try:
            self._append(json.dumps(line, ensure_ascii=False) + "\n", now)
        except OSError as error:
            logger.error("event=answer_not_kept reason=%s", error)
            return response
        return response.model_copy(update={"id": name})

    def _append(self, line: str, now: float) -> None:
        day = time.strftime("%Y-%m-%d", time.gmtime(now))
        file = self.folder / PATTERN.replace("*", day)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, line.encode())
        finally:
            os.close(handle)


def find(folder: Path, name: str) -> dict[str, Any] | None:
    """The line of an answer, newest day first; None where there is none."""
    for file in sorted(folder.glob(PATTERN), reverse=True):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                if f'"{name}"' in line and json.loads(line)["id"] == name:
                    found: dict[str, Any] = json.loads(line)
                    return found
    return None
