"""When a challenger is given up: rule by rule, with the numbers in the sentence."""

import pytest
from pydantic import ValidationError

from serving.trial.config import RevertConfig, TrialConfig
from serving.trial.overlap import overlap_at_k
from serving.trial.revert import Watch

FAST = [10.0] * 10


def watched(config: RevertConfig, champion: list[float], challenger: list[float], n_failed: int = 0) -> Watch:
    watch = Watch(config)
    for latency_ms in champion:
        watch.answered("champion", latency_ms)
    for latency_ms in challenger:
        watch.answered("challenger", latency_ms)
    for _ in range(n_failed):
        watch.failed()
    return watch


def rule(watch: Watch) -> str | None:
    broken = watch.broken()
    return None if broken is None else broken[0]


def test_too_few_requests_are_not_judged() -> None:
    config = RevertConfig(min_requests=10, max_error_share=0)
    assert watched(config, [], [], n_failed=9).broken() is None
    assert rule(watched(config, [], [], n_failed=10)) == "max_error_share"


def test_more_failures_than_allowed_break_the_rule_and_as_many_do_not() -> None:
    config = RevertConfig(min_requests=10, max_error_share=0.1)
    assert watched(config, [], [10.0] * 9, n_failed=1).broken() is None  # 1 of 10 is .1
    broken = watched(config, [], [10.0] * 8, n_failed=2).broken()
    assert broken == (
        "max_error_share",
        "20.0% of the newest 10 requests failed or were late, at most 10.0% may.",
    )


def test_failures_leave_the_window_again() -> None:
    watch = Watch(RevertConfig(min_requests=4, window=4, max_error_share=0.5))
    for _ in range(3):
        watch.failed()
    for _ in range(2):
        watch.answered("challenger", 10)
    assert watch.broken() is None  # failed, failed, answered, answered: 2 of 4


def test_a_challenger_may_take_so_many_times_the_champions_latency() -> None:
    config = RevertConfig(min_requests=10, max_latency_ratio=2)
    assert watched(config, FAST, [20.0] * 10).broken() is None
    broken = watched(config, FAST, [20.1] * 10).broken()
    assert broken is not None
    assert broken[0] == "max_latency_ratio"
    assert "up to 20.1 ms, at most 2 times the champion's 10.0 ms are allowed" in broken[1]


def test_one_slow_answer_in_a_hundred_is_not_a_slow_challenger() -> None:
    config = RevertConfig(min_requests=100, max_latency_ratio=2)
    assert watched(config, FAST * 10, [10.0] * 99 + [900.0]).broken() is None  # the 95th of 100 is 10


def test_without_enough_of_the_champion_latencies_are_not_compared() -> None:
    assert watched(RevertConfig(min_requests=10), FAST[:9], [900.0] * 10).broken() is None


def test_a_limit_in_milliseconds_needs_no_champion() -> None:
    config = RevertConfig(min_requests=10, max_latency_ms=50)
    assert watched(config, [], [50.0] * 10).broken() is None
    assert rule(watched(config, [], [50.1] * 10)) == "max_latency_ms"


def test_lists_must_share_so_much_on_average() -> None:
    watch = watched(RevertConfig(min_requests=4, min_overlap=0.5), [], [10.0] * 4)
    for overlap in (1.0, 0.0, 1.0, 0.0):
        watch.overlapped(overlap)
    assert watch.broken() is None  # mean .5
    watch.overlapped(0.0)
    assert rule(watch) == "min_overlap"  # mean .4


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (["a", "b"], ["b", "a"], 1.0),
        (["a", "b"], ["b", "c"], 0.5),
        (["a", "b", "c"], ["c", "d", "e"], 0.0),  # within the first two
        (["a", "b"], ["a"], 0.5),  # of the longer one
        ([], [], 1.0),
        ([], ["a"], 0.0),
    ],
)
def test_overlap_at_two(ours: list[str], theirs: list[str], expected: float) -> None:
    assert overlap_at_k(ours, theirs, 2) == expected


def test_a_rule_that_could_never_be_judged_is_refused() -> None:
    with pytest.raises(ValidationError, match="min_requests must fit into the window, but got 200 and 100"):
        RevertConfig(window=100, min_requests=200)


def test_a_canary_leaves_the_champion_users() -> None:
    with pytest.raises(ValidationError, match="a canary needs a share below 1, but got 1"):
        TrialConfig(mode="canary")
    assert TrialConfig(mode="shadow").share == 1
