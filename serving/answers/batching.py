"""Micro-batcher: requests that arrive together are answered by one call; knows neither lists nor HTTP.

Own, because BentoML's batchable hop closes its session with requests in flight, which costs 500s under load.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import Field

from models.recommender import Config
from serving.access.stages import CURRENT, Stages

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


class BatchConfig(Config):
    """How requests are gathered."""

    max_batch: int = Field(default=64, ge=1, description="Most requests of one call.")
    max_wait_ms: float = Field(
        default=0.0,
        ge=0,
        description="Longest wait for company. 0 gathers what came during the call before, which costs a "
        "lone request nothing.",
    )


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Asked, Answered]):
    asked: Asked
    answer: asyncio.Future[Answered]
    since: float
    stages: Stages | None


class MicroBatcher(Generic[Asked, Answered]):
    """Awaitable front of a function on batches; belongs to one event loop.

    Args:
        call: answers a batch in its order; runs in a worker thread, never twice at a time.
        config: limits.
    """

    def __init__(self, call: Callable[[Sequence[Asked]], list[Answered]], config: BatchConfig) -> None:
        self._call = call
        self._config = config
        self._queue: asyncio.Queue[_Waiting[Asked, Answered]] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "batch")  # one, which takes again the memory that it freed
        self._n_open = 0
        self._nobody_waits = asyncio.Event()

    async def ask(self, asked: Asked) -> Answered:
        """The answer to one request.

        Raises:
            Exception: what `call` raises on this request alone; neighbours in the batch are not affected.
        """
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Waiting(asked, answer, time.perf_counter(), CURRENT.get()))
        self._n_open += 1
        try:
            return await answer
        finally:
            self._n_open -= 1
            if not self._n_open:
                self._nobody_waits.set()

    async def idle(self) -> None:
        """Return once nobody waits for an answer."""
        while self._n_open:
            self._nobody_waits.clear()
            await self._nobody_waits.wait()

    async def close(self) -> None:
        """Stop gathering; requests that still wait are cancelled."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        while not self._queue.empty():
            self._queue.get_nowait().answer.cancel()
        self._thread.shutdown(wait=False)

    async def _work(self) -> None:
        while True:
            batch = [await self._queue.get()]
            try:
                await self._fill(batch)
                await self._settle([waiting for waiting in batch if not waiting.answer.done()])
            except asyncio.CancelledError:
                for waiting in batch:
                    waiting.answer.cancel()
                raise

    async def _fill(self, batch: list[_Waiting[Asked, Answered]]) -> None:
        """Add what waits, and what comes before the time is up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._config.max_wait_ms / 1000
        while len(batch) < self._config.max_batch:
            try:
                batch.append(self._queue.get_nowait())
            except asyncio.QueueEmpty:
                left = deadline - loop.time()
                if left <= 0:
                    break
                await asyncio.sleep(min(left, 0.001))

    async def _settle(self, batch: list[_Waiting[Asked, Answered]]) -> None:
        """Answer a batch; one that fails is asked again one by one, so only the guilty request fails."""
        if not batch:
            return
        try:
            begun = time.perf_counter()
            asked = [waiting.asked for waiting in batch]
            answers = await asyncio.get_running_loop().run_in_executor(self._thread, self._call, asked)
            _note(batch, begun, time.perf_counter())
            for waiting, answer in zip(batch, answers, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(answer)
        except Exception as error:
            if len(batch) == 1:
                if not batch[0].answer.done():
                    batch[0].answer.set_exception(error)
                return
            for waiting in batch:
                if not waiting.answer.done():
                    await self._settle([waiting])


def _note(batch: Sequence[_Waiting[Asked, Answered]], begun: float, ended: float) -> None:
    """Tell each request of a batch where its time went."""
    for waiting in batch:
        if waiting.stages is not None:
            waiting.stages.called(waiting.since, begun, ended, len(batch))
