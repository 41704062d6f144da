"""Arm: one of the two models of a trial, with its own queue, clock and counts."""

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from serving.answers.batching import MicroBatcher
from serving.door.schemas import RecommendRequest, RecommendResponse
from serving.trial.config import ArmName

if TYPE_CHECKING:  # the supervisor process imports this file too and needs no torch
    from serving.answers.answerer import Answerer
    from serving.answers.query import Query
    from serving.trial.record import TrialRecord


@dataclass(frozen=True, slots=True)
class Answered:
    """A request and what it got.

    Attributes:
        request: as it came.
        response: as it goes.
        query: what the request came to.
        note: what the answer log keeps about the trial, None outside one.
    """

    request: RecommendRequest
    response: RecommendResponse
    query: "Query"
    note: dict[str, Any] | None = None


class Served(Protocol):
    """Whoever has an answerer: itself, or a seat in a live catalogue that has another one tomorrow."""

    @property
    def current(self) -> "Answerer":
        """The answerer of this moment."""
        ...


@dataclass(frozen=True, slots=True)
class Arm:
    """A model, the queue before it, and who answers where it is late.

    Attributes:
        name: champion or challenger.
        served: its answerer, which may change while it serves.
        batcher: gathers its requests.
        stands_in: whether content and popularity answer what the model did not in time; else that is an
            error.
        patience_ms: longest wait for the model where `ask` is told none; None waits for ever.
    """

    name: ArmName
    served: Served
    batcher: "MicroBatcher[Query, RecommendResponse]"
    stands_in: bool = False
    patience_ms: float | None = None

    @property
    def answerer(self) -> "Answerer":
        """Translates requests for its own bundle: each arm has its own items and users."""
        return self.served.current

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
            Unanswerable: the request asks for something that the arm's items or model do not have.
            TimeoutError: no answer in time, and nobody answers instead.
            Exception: whatever the model raises.
        """
        start = time.perf_counter()
        query = self.answerer.translate(request)
        response = await self._answer(query, timeout_ms or self.patience_ms)
        latency_ms = (time.perf_counter() - start) * 1000
        return Answered(request, response, query), latency_ms

    async def _answer(self, query: "Query", timeout_ms: float | None) -> RecommendResponse:
        try:
            async with asyncio.timeout(None if timeout_ms is None else timeout_ms / 1000):
                return await self.batcher.ask(query)
        except TimeoutError:
            if not self.stands_in:
                raise
            return await asyncio.to_thread(query.answerer.without.instead_of, query)
