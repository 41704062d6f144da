"""Canary and shadow in one process: what callers get, what is counted, and what ends a trial."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from data.interactions import Interactions
from models.baselines.popularity import Popularity
from models.bundle import Bundle
from models.recommender import Mask, Recommendations
from serving.answers.answer_log import AnswerLog, lines
from serving.answers.answerer import Answerer
from serving.answers.batching import BatchConfig, MicroBatcher
from serving.door.schemas import RecommendRequest
from serving.trial.arm import Answered, Arm
from serving.trial.config import ArmName, RevertConfig, TrialConfig
from serving.trial.metrics import TrialMetrics
from serving.trial.mirror import Mirror
from serving.trial.split import is_in_share
from serving.trial.trial import Trial

USERS = ["ann", "bob"]  # both arms know them
HALF = {"mode": "canary", "share": 0.5, "salt": "s"}


class Faulty(Popularity):
    """Scores as it was given; first does what it is told."""

    before: Callable[[], None]

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        self.before()
        return super().recommend(histories, k, allowed=allowed)


def faulty(bundle: Bundle, before: Callable[[], None]) -> Bundle:
    known = bundle.recommender
    assert isinstance(known, Popularity)
    model = Faulty.from_state(known.config, known.state())
    model.before = before
    return replace(bundle, recommender=model)


def broken() -> None:
    raise RuntimeError("out of memory")


def test_a_champion_that_is_late_is_answered_for(bundle: Bundle) -> None:
    go = threading.Event()
    slow = Answerer(faulty(bundle, lambda: go.wait(10) and None), "c" * 64)
    champion = Arm("champion", slow, MicroBatcher(slow.answer, BatchConfig()), stands_in=True, patience_ms=50)

    async def ask() -> Answered:
        answered, latency_ms = await champion.ask(RecommendRequest(history=["12"], k=2))
        assert latency_ms < 5_000
        go.set()
        await champion.batcher.close()
        return answered

    response = asyncio.run(ask()).response
    assert [(line.item, line.source) for line in response.items] == [("10", "content"), ("12", "repeats")]
    assert response.fallback == "time-out"


def arm(name: ArmName, bundle: Bundle) -> Arm:
    answerer = Answerer(bundle, {"champion": "c" * 64, "challenger": "d" * 64}[name])
    return Arm(name, answerer, MicroBatcher(answerer.answer, BatchConfig()))


class Tried:
    """A trial of two bundles, and what Prometheus would see of it."""

    def __init__(
        self, champion: Bundle, challenger: Bundle, log: AnswerLog | None = None, **config: Any
    ) -> None:
        self.registry = CollectorRegistry()
        self.log = log
        self.arms = arm("champion", champion), arm("challenger", challenger)
        config_ = TrialConfig.model_validate(config)
        self.trial = Trial.begin(*self.arms, config_, log, TrialMetrics(self.registry))

    async def ask(self, *requests: RecommendRequest) -> list[Answered]:
        """As the service does it: answer, note, mirror."""
        if not self.trial.is_running:
            return [(await self.arms[0].ask(request))[0] for request in requests]
        answered = await self.trial.answer(requests)
        for each in answered:
            response = each.response
            if self.log is not None:
                response = self.log.note(each.request, response, each.note)
            self.trial.mirror(each.request, response)
        return answered

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"encore_trial_{name}", labels) or 0.0

    async def close(self) -> None:
        await self.trial.close()
        await self.arms[0].batcher.close()


def run(
    tried: Tried, *requests: RecommendRequest, until: Callable[[], bool] = lambda: True
) -> list[Answered]:
    """Ask one by one, then wait for `until`."""

    async def all_of_them() -> list[Answered]:
        answered = [(await tried.ask(request))[0] for request in requests]
        deadline = time.monotonic() + 10
        while not until():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.005)
        await tried.close()
        return answered

    return asyncio.run(all_of_them())


def by_history(n_requests: int) -> list[RecommendRequest]:
    return [RecommendRequest(history=["10", f"z{number}"], k=2) for number in range(n_requests)]


def first(answered: Answered) -> str:
    return answered.response.items[0].item


def test_a_canary_answers_by_the_arm_of_the_user_and_says_which(bundle: Bundle, challenger: Bundle) -> None:
    requests = by_history(40)
    answers = run(Tried(bundle, challenger, **HALF), *requests, *requests)
    chosen = [is_in_share(request, share=0.5, salt="s") for request in requests]
    assert 5 < sum(chosen) < 35
    for answered, theirs in zip(answers, chosen * 2, strict=True):  # the champion's best is 10, theirs 14
        assert first(answered) == ("14" if theirs else "10")
        assert answered.response.arm == ("challenger" if theirs else "champion")
        assert answered.response.lineage.bundle[0] == ("d" if theirs else "c")


def test_without_a_salt_each_challenger_has_users_of_its_own(bundle: Bundle, challenger: Bundle) -> None:
    requests = by_history(40)
    answers = run(Tried(bundle, challenger, mode="canary", share=0.5), *requests)
    expected = [is_in_share(request, share=0.5, salt="d" * 64) for request in requests]
    assert [first(each) == "14" for each in answers] == expected


def test_a_user_of_one_arm_is_answered_by_it_and_not_compared(bundle: Bundle, challenger: Bundle) -> None:
    requests = [RecommendRequest(user="cid", k=1), RecommendRequest(user="zoe", k=1)]
    for share in (0.01, 0.99):
        cid, zoe = run(Tried(bundle, challenger, mode="canary", share=share), *requests)
        assert (first(cid), first(zoe)) == ("10", "14")
        for each, name in ((cid, "champion"), (zoe, "challenger")):
            assert each.note is not None
            assert (each.note["arm"], each.note["assigned"]) == (name, None)


def test_a_user_that_no_arm_knows_is_answered_by_the_champion(bundle: Bundle, challenger: Bundle) -> None:
    for share in (0.01, 0.99):
        tried = Tried(bundle, challenger, mode="canary", share=share)
        (answered,) = run(tried, RecommendRequest(user="nobody", k=1))
        assert (first(answered), answered.response.fallback) == ("10", "unknown-user")
        assert answered.note is not None
        assert answered.note["assigned"] is None


def test_the_champion_answers_where_the_challenger_fails(bundle: Bundle, challenger: Bundle) -> None:
    tried = Tried(bundle, faulty(challenger, broken), **HALF)
    requests = by_history(40)
    answers = run(tried, *requests)
    n_theirs = sum(is_in_share(request, share=0.5, salt="s") for request in requests)
    assert {first(each) for each in answers} == {"10"}
    assert {each.response.arm for each in answers} == {"champion"}
    assert tried.count("failures_total", arm="challenger") == n_theirs
    assert tried.count("seconds_count", arm="champion") == 40
    blamed = [each.note for each in answers if each.note and "error" in each.note]
    assert len(blamed) == n_theirs
    assert {note["error"] for note in blamed} == {"RuntimeError: out of memory"}
    assert {note["assigned"] for note in blamed} == {"challenger"}


def test_a_challenger_that_fails_is_given_up_and_asked_no_more(bundle: Bundle, challenger: Bundle) -> None:
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        broken()

    rule = RevertConfig(min_requests=10, max_error_share=0.1)
    tried = Tried(bundle, faulty(challenger, fail), **HALF, revert=rule)
    answers = run(tried, *by_history(80))
    assert {first(each) for each in answers} == {"10"}
    assert len(calls) == 10  # judged at the tenth
    assert tried.count("reverted", rule="max_error_share") == 1
    reverted: Any = tried.trial.info()["reverted"]
    assert reverted["reason"].startswith("100.0% of the newest 10 requests failed")


def test_a_slow_challenger_is_given_up(bundle: Bundle, challenger: Bundle) -> None:
    rule = RevertConfig(min_requests=5, max_latency_ms=30)
    tried = Tried(bundle, faulty(challenger, lambda: time.sleep(0.04)), **HALF, revert=rule)
    answers = run(tried, *by_history(40))
    assert [first(each) for each in answers].count("14") == 5
    assert tried.count("reverted", rule="max_latency_ms") == 1


def test_nobody_waits_longer_than_told_for_a_challenger_that_hangs(
    bundle: Bundle, challenger: Bundle
) -> None:
    go = threading.Event()
    tried = Tried(bundle, faulty(challenger, lambda: go.wait(10) and None), **HALF, timeout_ms=50)
    theirs = next(each for each in by_history(40) if is_in_share(each, share=0.5, salt="s"))
    start = time.monotonic()

    async def ask() -> list[Answered]:
        answered = await tried.ask(theirs)
        go.set()
        await tried.close()
        return answered

    (answered,) = asyncio.run(ask())
    assert first(answered) == "10"
    assert 0.05 <= time.monotonic() - start < 5
    assert answered.note is not None
    assert answered.note["error"] == "TimeoutError"


def test_a_shadow_sees_what_the_champion_answers(bundle: Bundle, challenger: Bundle, tmp_path: Path) -> None:
    tried = Tried(bundle, challenger, AnswerLog(tmp_path), mode="shadow", k=2)
    requests = [RecommendRequest(user=user, k=k) for user in USERS for k in (2, 3, 5)]
    seen = lambda: tried.count("seconds_count", arm="challenger") == 6  # noqa: E731
    answers = run(tried, *requests, until=seen)
    assert {(first(each), each.response.arm) for each in answers} == {("10", "champion")}
    # of two: 10 11 against 14 13, nothing shared, whatever the length of the list
    assert (tried.count("overlap_count"), tried.count("overlap_sum")) == (6, 0)
    kept, mirrored = list(lines(tmp_path, "answers")), list(lines(tmp_path, "mirrored"))
    assert [line["of"] for line in mirrored] == [line["id"] for line in kept]
    assert [line["items"] for line in mirrored[:2]] == [["14", "13"], ["14", "13", "12"]]
    assert {line["bundle"] for line in mirrored} == {"d" * 64}
    assert {line["trial"]["assigned"] for line in kept} == {"champion"}


def test_a_shadow_is_not_asked_for_users_it_does_not_know(bundle: Bundle, challenger: Bundle) -> None:
    tried = Tried(bundle, challenger, mode="shadow")
    seen = lambda: tried.count("seconds_count", arm="challenger") == 1  # noqa: E731
    run(tried, RecommendRequest(user="cid"), RecommendRequest(user="ann"), until=seen)
    assert tried.count("failures_total", arm="challenger") == 0


def test_a_shadow_that_fails_is_noticed_by_the_record_only(
    bundle: Bundle, challenger: Bundle, tmp_path: Path
) -> None:
    rule = RevertConfig(min_requests=3)
    tried = Tried(bundle, faulty(challenger, broken), AnswerLog(tmp_path), mode="shadow", revert=rule)
    answers = run(tried, *by_history(5), until=lambda: not tried.trial.is_running)
    assert {first(each) for each in answers} == {"10"}
    assert tried.count("reverted", rule="max_error_share") == 1
    assert next(lines(tmp_path, "mirrored"))["error"] == "RuntimeError: out of memory"


def test_a_shadow_that_hangs_costs_the_callers_nothing_and_what_it_misses_is_counted(
    bundle: Bundle, challenger: Bundle
) -> None:
    go = threading.Event()
    hanging = faulty(challenger, lambda: go.wait(10) and None)
    tried = Tried(bundle, hanging, mode="shadow", max_waiting=4, timeout_ms=5000)

    async def ask() -> float:
        start = time.monotonic()
        for request in by_history(50):
            await tried.ask(request)
            await asyncio.sleep(0)
        seconds = time.monotonic() - start
        go.set()
        await tried.close()
        return seconds

    assert asyncio.run(ask()) < 5
    # of 50, four may wait and at most eight be in hand; whatever came after them was dropped
    assert 38 <= tried.count("dropped_total") <= 46


def test_a_person_can_give_a_challenger_up_and_the_first_reason_stays(
    bundle: Bundle, challenger: Bundle
) -> None:
    tried = Tried(bundle, challenger, **HALF)
    tried.trial.record.revert("by hand", "too many cat toys")
    tried.trial.record.revert("max_error_share", "later")
    assert {first(each) for each in run(tried, *by_history(10))} == {"10"}
    reverted: Any = tried.trial.info()["reverted"]
    assert (reverted["rule"], reverted["reason"]) == ("by hand", "too many cat toys")


def test_a_mirror_waits_until_nobody_else_does() -> None:
    async def all_of_it() -> list[str]:
        happened: list[str] = []
        free = asyncio.Event()

        async def idle() -> None:
            await free.wait()

        async def see(item: str) -> None:
            happened.append(item)

        mirror = Mirror(see, idle, max_waiting=3)
        assert [mirror.offer(item) for item in "abcd"] == [True, True, True, False]
        await asyncio.sleep(0.01)
        happened.append("free")
        free.set()
        await asyncio.sleep(0.01)
        await mirror.close()
        return happened

    assert asyncio.run(all_of_it()) == ["free", "a", "b", "c"]


def test_a_batcher_is_idle_once_everybody_has_an_answer() -> None:
    async def all_of_it() -> list[str]:
        happened: list[str] = []
        go = threading.Event()

        def call(asked: Sequence[int]) -> list[int]:
            assert go.wait(5)
            return list(asked)

        batcher: MicroBatcher[int, int] = MicroBatcher(call, BatchConfig())

        async def wait() -> None:
            await batcher.idle()
            happened.append("idle")

        await batcher.idle()  # nobody ever asked
        asked = asyncio.create_task(batcher.ask(1))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.01)
        happened.append("answered")
        go.set()
        await asyncio.gather(asked, waiting)
        await batcher.close()
        return happened

    assert asyncio.run(all_of_it()) == ["answered", "idle"]
