"""Stages: where the time of a request goes; a note that travels with it from the door to the model."""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, get_args

Stage = Literal["read", "queue", "model", "write"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(slots=True)
class Stages:
    """Seconds that a request spent in each stage.

    `read`: until its body is checked; `queue`: waiting for a model call; `model`: that call; `write`: from
    its end to the last byte of the answer. Of several questions in one request the slowest counts.

    Attributes:
        started: `time.perf_counter()` of the request.
        seconds: of the stages so far.
        batch: questions of the largest model call it was part of, 0 for none.
        answered: when the last model call ended; None before.
        total: seconds of the whole, 0 before its end.
    """

    started: float = field(default_factory=time.perf_counter)
    seconds: dict[Stage, float] = field(default_factory=dict)
    batch: int = 0
    answered: float | None = None
    total: float = 0.0

    def body_read(self) -> None:
        """The body has come and is checked."""
        self.seconds["read"] = time.perf_counter() - self.started

    def called(self, asked: float, begun: float, ended: float, batch: int) -> None:
        """A model call: when it was asked for, when it began and ended, and how many shared it."""
        self.seconds["queue"] = max(self.seconds.get("queue", 0.0), begun - asked)
        self.seconds["model"] = max(self.seconds.get("model", 0.0), ended - begun)
        self.batch = max(self.batch, batch)
        self.answered = ended

    def end(self) -> None:
        """The answer is out."""
        self.total = time.perf_counter() - self.started
        if self.answered is not None:
            self.seconds["write"] = time.perf_counter() - self.answered


CURRENT: ContextVar[Stages | None] = ContextVar("stages", default=None)
"""The note of the request that is worked on; None outside one."""
