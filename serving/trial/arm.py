"""Arm: one of the two models of a trial, with its own queue, clock and counts."""

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from serving.answers.batching import MicroBatcher
from serving.door.schemas import RecommendRequest, RecommendResponse
from serving.trial.config import ArmName

if TYPE_CHECKING:  # the supervisor process imports this file too and needs no torch
    from serving.answers.answerer import Answerer, Query
    from serving.trial.record import TrialRecord


@dataclass(frozen=True, slots=True)
class Answered:
    """A request and what it got.

    Attributes:
        request: as it came.
        response: as it goes.
        n_events: known events that the answer is based on.
        note: what the answer log keeps about the trial, None outside one.
    """

    request: RecommendRequest
    response: RecommendResponse
    n_events: int
    note: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """A model and the queue before it.

    Attributes:
        name: champion or challenger.
        answerer: translates requests for its own bundle: each arm has its own items and users.
        batcher: gathers its requests.
    """

    name: ArmName
    answerer: "Answerer"
    batcher: "MicroBatcher[Query, RecommendResponse]"

    def check(self, request: RecommendRequest) -> None:
        """Refuse a request before anybody is asked.

        Raises:
            UnknownUser: the arm does not know the user.
        """
        if not self.answerer.knows(request):
            self.answerer.translate(request)  # raises, in its own words

    async def ask_counted(self, request: RecommendRequest, record: "TrialRecord") -> tuple[Answered, float]:
        """`ask` by the champion, whose errors reach the caller; either end is told to `record`."""
        try:
            answered, latency_ms = await self.ask(request)
        except Exception:
            record.champion_failed()
            raise
        record.answered(self.name, latency_ms)
        return answered, latency_ms

    async def ask(self, request: RecommendRequest, timeout_ms: float | None = None) -> tuple[Answered, float]:
        """The arm's answer, and the milliseconds it took with its wait in the queue.

        Raises:
            UnknownUser: the arm does not know the user.
            TimeoutError: no answer within `timeout_ms`.
            Exception: whatever the model raises.
        """
        start = time.perf_counter()
        query = self.answerer.translate(request)
        limit = None if timeout_ms is None else timeout_ms / 1000
        response = await asyncio.wait_for(self.batcher.ask(query), limit)
        latency_ms = (time.perf_counter() - start) * 1000
        return Answered(request, response, len(query.items)), latency_ms
