"""Limits: how often, how much at once and how long; knows callers by name and nothing of HTTP."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import Field

from models.recommender import Config

BENTOML_SECONDS = 30
"""After so long BentoML ends a request itself; ours comes first."""


class Rate(Config):
    """Requests of one caller: a bucket that holds `burst` and gets `per_second` back."""

    per_second: float = Field(gt=0, le=1e6)
    burst: int = Field(ge=1, le=10_000_000)


DEFAULT_RATE = Rate(per_second=500, burst=1000)
"""Of each key on an address that other machines reach."""
STRANGERS_RATE = Rate(per_second=10, burst=100)
"""Of all callers with no or a wrong key together: who guesses keys gets nowhere."""


class Limits(Config):
    """What one service process takes on."""

    rate: Rate | None = Field(default=None, description="Of each caller; None: no limit.")
    is_rate_set: bool = Field(default=False, description="Whether `rate` also holds on loopback.")
    in_flight: int = Field(default=512, ge=1, description="Requests at a time.")
    body_bytes: int = Field(default=64 * 2**20, ge=2**20, description="Bodies of all those together.")
    timeout_seconds: float = Field(default=25, gt=0, lt=BENTOML_SECONDS, description="From line to answer.")


def read_rate(text: str) -> Rate | None:
    """The rate in `text`: "100", "100:300" (burst; twice the rate if not told) or "off".

    Raises:
        ValueError: anything else.
    """
    if text == "off":
        return None
    match = re.fullmatch(r"(\d{1,6}(?:\.\d+)?)(?::(\d{1,8}))?", text)
    if match is None or float(match[1]) == 0 or match[2] == "0":
        raise ValueError(
            "a rate must be requests per second, with a colon and a burst if you like, such as 100 or "
            f"100:300, or off, but got {text!r}: correct it."
        )
    per_second = float(match[1])
    return Rate(per_second=per_second, burst=int(match[2]) if match[2] else max(1, round(2 * per_second)))


class RateLimiter:
    """A token bucket for each caller; who is not known by name cannot add one, so memory is bounded.

    Args:
        rate: of each bucket.
        clock: seconds that only go forward.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait_seconds(self, name: str) -> float:
        """0 if `name` may go on, which is then counted; else the seconds until it may."""
        now = self._clock()
        left, then = self._buckets.get(name, (float(self._rate.burst), now))
        left = min(self._rate.burst, left + (now - then) * self._rate.per_second)
        is_admitted = left >= 1
        self._buckets[name] = (left - is_admitted, now)
        return 0.0 if is_admitted else (1 - left) / self._rate.per_second


@dataclass(slots=True)
class Load:
    """What a process has taken on and not yet answered; belongs to one event loop.

    Attributes:
        requests: at the moment.
        body_bytes: of their bodies, as far as they came.
    """

    limits: Limits
    requests: int = 0
    body_bytes: int = 0

    @property
    def is_full(self) -> bool:
        """Whether one request more is one too many."""
        return self.requests >= self.limits.in_flight

    @contextmanager
    def request(self) -> Iterator["Luggage"]:
        """A request that is worked on for as long as the block lasts."""
        luggage = Luggage(self)
        self.requests += 1
        try:
            yield luggage
        finally:
            self.requests -= 1
            self.body_bytes -= luggage.body_bytes


@dataclass(slots=True)
class Luggage:
    """The body of one request, counted in the load of all."""

    load: Load
    body_bytes: int = 0

    def add(self, n_bytes: int) -> bool:
        """Count `n_bytes` that came; False where all bodies together are too much now."""
        self.body_bytes += n_bytes
        self.load.body_bytes += n_bytes
        return self.load.body_bytes <= self.load.limits.body_bytes
