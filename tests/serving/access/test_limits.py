"""Limits: how often a caller may ask, and how much is taken on at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.access.limits import Limits, Load, Rate, RateLimiter, read_rate


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_goes_through_and_then_the_rate() -> None:
    clock = Clock()
    limiter = RateLimiter(Rate(per_second=2, burst=3), clock)
    assert [limiter.wait_seconds("shop") for _ in range(4)] == [0, 0, 0, 0.5]
    clock.now = 0.5  # one token came back
    assert [limiter.wait_seconds("shop") for _ in range(2)] == [0, 0.5]
    clock.now = 100.0  # no more than the burst
    assert [limiter.wait_seconds("shop") > 0 for _ in range(4)] == [False, False, False, True]


def test_callers_do_not_share_a_bucket() -> None:
    limiter = RateLimiter(Rate(per_second=1, burst=1), Clock())
    assert [limiter.wait_seconds(name) for name in ("a", "b", "a")] == [0, 0, 1]


@given(
    st.integers(1, 20),
    st.floats(0.1, 100),
    st.lists(st.floats(0, 2), min_size=1, max_size=60),
)
def test_nobody_gets_more_than_burst_and_rate_allow(burst: int, rate: float, gaps: list[float]) -> None:
    clock = Clock()
    limiter = RateLimiter(Rate(per_second=rate, burst=burst), clock)
    admitted = 0
    for gap in gaps:
        clock.now += gap
        admitted += limiter.wait_seconds("shop") == 0
    assert admitted <= burst + clock.now * rate + 1e-6


@given(st.floats(0.1, 1000), st.integers(1, 50))
def test_who_waits_as_told_is_let_in(rate: float, burst: int) -> None:
    clock = Clock()
    limiter = RateLimiter(Rate(per_second=rate, burst=burst), clock)
    while not (wait := limiter.wait_seconds("shop")):
        pass
    clock.now += wait * (1 + 1e-9)
    assert limiter.wait_seconds("shop") == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100", Rate(per_second=100, burst=200)),
        ("100:300", Rate(per_second=100, burst=300)),
        ("0.2", Rate(per_second=0.2, burst=1)),
        ("off", None),
    ],
)
def test_a_rate_is_a_number_a_second_and_a_burst(text: str, expected: Rate | None) -> None:
    assert read_rate(text) == expected


@pytest.mark.parametrize("text", ["0", "-1", "ten", "5:0", "5:x", "nan", "1e9", "", "5:"])
def test_another_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"a rate must be requests per second, .* but got"):
        read_rate(text)


def test_a_load_counts_requests_and_their_bytes_and_forgets_them() -> None:
    load = Load(Limits(in_flight=2, body_bytes=2**20))
    with load.request() as first, load.request() as second:
        assert load.is_full
        assert first.add(2**20)
        assert not second.add(1)
    assert (load.requests, load.body_bytes) == (0, 0)
    assert not load.is_full


def test_a_request_that_fails_is_forgotten_too() -> None:
    load = Load(Limits())
    with pytest.raises(ZeroDivisionError), load.request() as luggage:
        1 / (luggage.add(5) - 1)
    assert (load.requests, load.body_bytes) == (0, 0)
