"""Request log: a line of JSON for each request, without anything that tells who was asked about.

A line has the path of the table of calls, not the one that was asked: that could hold a user or an item.
"""

import json
import logging
import sys
import time

from serving.access.stages import STAGES, Stages

_NAME = "encore.requests"


class RequestLog:
    """Writes to standard output; made once in a process."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(_NAME)
        self._logger.setLevel(logging.INFO)
        self._logger.propagate = False  # BentoML's format is not JSON
        if not self._logger.handlers:
            handler = logging.StreamHandler(sys.stdout)
            handler.setFormatter(logging.Formatter("%(message)s"))
            self._logger.addHandler(handler)

    def note(
        self,
        stages: Stages,
        *,
        request_id: str,
        method: str,
        path: str | None,
        status: int,
        key: str | None,
        version: str | None,
    ) -> None:
        """Write the line of a request that is over."""
        line = {
            "time": round(time.time(), 3),
            "id": request_id,
            "method": method,
            "path": path,
            "status": status,
            "ms": _ms(stages.total),
            **{f"{stage}_ms": _ms(stages.seconds[stage]) for stage in STAGES if stage in stages.seconds},
            "batch": stages.batch,
            "version": version,
            "key": key,
        }
        self._logger.info(json.dumps(line))


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
