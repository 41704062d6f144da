"""Made: by which code, on which machine and day a number was measured."""

from datetime import UTC, datetime
from typing import Any

from flows.tracking.machine import machine
from flows.tracking.recording import commit

DIGITS = 12


def made(code: str, threads: int) -> dict[str, Any]:
    """Goes into the piece with its numbers and into every result that shows them.

    Args:
        code: digest of the code that they come from.
        threads: of a training.
    """
    day = datetime.now(UTC).date().isoformat()
    return {"commit": commit(), "code": code[:DIGITS], "date": day, "machine": machine(threads)}
