"""Mirror: a bounded queue whose work is done only while nobody waits for an answer; knows no model."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")
AT_ONCE = 8  # more would make those who ask meanwhile wait for the processor longer


class Mirror(Generic[Item]):
    """Works through what it is offered, at most `AT_ONCE` items at a time; belongs to one event loop.

    Args:
        see: what to do with an item; must not raise.
        idle: returns once nobody waits for an answer.
        max_waiting: items that may wait.
    """

    def __init__(
        self, see: Callable[[Item], Awaitable[None]], idle: Callable[[], Awaitable[None]], max_waiting: int
    ) -> None:
        self._see = see
        self._idle = idle
        self._queue: asyncio.Queue[Item] = asyncio.Queue(max_waiting)
        self._worker: asyncio.Task[None] | None = None

    def offer(self, item: Item) -> bool:
        """Queue `item`; False where as many wait as may, and the item is dropped."""
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        try:
            self._queue.put_nowait(item)
        except asyncio.QueueFull:
            return False
        return True

    async def close(self) -> None:
        """Stop working."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            items = [await self._queue.get()]
            await self._idle()
            while len(items) < AT_ONCE and not self._queue.empty():
                items.append(self._queue.get_nowait())
            await asyncio.gather(*(self._see(item) for item in items))
