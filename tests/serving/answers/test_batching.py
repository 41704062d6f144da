"""Requests that wait together are answered together, and fail alone."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from serving.answers.batching import BatchConfig, MicroBatcher


class Doubler:
    """Doubles numbers; refuses negative ones; holds its first call until `go` is set."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.go = threading.Event()
        self.busy = threading.Lock()
        if not held:
            self.go.set()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        assert self.busy.acquire(blocking=False), "two calls at a time"
        try:
            self.batches.append(list(numbers))
            assert self.go.wait(5)
            if min(numbers) < 0:
                raise ValueError(f"negative: {min(numbers)}")
            return [2 * number for number in numbers]
        finally:
            self.busy.release()


async def ask_while_busy(
    doubler: Doubler, numbers: list[int], config: BatchConfig
) -> list[int | BaseException]:
    """Occupy the model with 0, let `numbers` queue up, then let go."""
    batcher = MicroBatcher(doubler, config)
    asked = [asyncio.create_task(batcher.ask(0))]
    while not doubler.batches:
        await asyncio.sleep(0.001)
    asked += [asyncio.create_task(batcher.ask(number)) for number in numbers]
    await asyncio.sleep(0.01)
    doubler.go.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    await batcher.close()
    return answers[1:]


def test_what_came_during_a_call_is_answered_by_the_next_one() -> None:
    doubler = Doubler(held=True)
    assert asyncio.run(ask_while_busy(doubler, [1, 2, 3], BatchConfig())) == [2, 4, 6]
    assert doubler.batches == [[0], [1, 2, 3]]


def test_a_batch_has_at_most_max_batch_requests() -> None:
    doubler = Doubler(held=True)
    asyncio.run(ask_while_busy(doubler, [1, 2, 3, 4, 5], BatchConfig(max_batch=2)))
    assert doubler.batches == [[0], [1, 2], [3, 4], [5]]


def test_one_bad_request_does_not_fail_its_neighbours() -> None:
    good, bad, other = asyncio.run(ask_while_busy(Doubler(held=True), [1, -7, 3], BatchConfig()))
    assert (good, other) == (2, 6)
    assert isinstance(bad, ValueError)
    assert str(bad) == "negative: -7"


def test_the_batcher_goes_on_after_a_failure() -> None:
    async def run() -> int:
        batcher = MicroBatcher(Doubler(), BatchConfig())
        with pytest.raises(ValueError, match="negative: -1"):
            await batcher.ask(-1)
        return await batcher.ask(4)

    assert asyncio.run(run()) == 8


def test_a_lone_request_waits_for_company_only_as_long_as_it_is_told_to() -> None:
    async def run() -> list[list[int]]:
        doubler = Doubler()
        batcher = MicroBatcher(doubler, BatchConfig(max_wait_ms=200))
        first = asyncio.create_task(batcher.ask(1))
        await asyncio.sleep(0.02)
        await asyncio.gather(first, batcher.ask(2))
        return doubler.batches

    assert asyncio.run(run()) == [[1, 2]]


def test_a_request_that_was_given_up_is_not_asked() -> None:
    async def run() -> list[list[int]]:
        doubler = Doubler(held=True)
        batcher = MicroBatcher(doubler, BatchConfig())
        first = asyncio.create_task(batcher.ask(1))
        while not doubler.batches:
            await asyncio.sleep(0.001)
        gone, kept = asyncio.create_task(batcher.ask(2)), asyncio.create_task(batcher.ask(3))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        doubler.go.set()
        await asyncio.gather(first, kept)
        return doubler.batches

    assert asyncio.run(run()) == [[1], [3]]


def test_closing_lets_nobody_wait_for_ever() -> None:
    async def run() -> None:
        batcher = MicroBatcher(Doubler(), BatchConfig(max_wait_ms=10_000))
        waiting = asyncio.create_task(batcher.ask(1))
        await asyncio.sleep(0.01)
        await batcher.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(run())
