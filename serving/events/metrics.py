"""Event metrics: what Prometheus is told about feedback."""

from typing import TYPE_CHECKING, Literal, get_args

from serving.events.live_hits import Judged
from serving.metrics import SECONDS

Call = Literal["add", "look_up", "forget"]

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class EventMetrics:
    """Counters of one service process; for `registry` see `metrics.Metrics`."""

    def __init__(self, registry: "CollectorRegistry | None" = None) -> None:
        # At import time BentoML has not yet said where the processes of a service share their counts.
        from prometheus_client import Counter, Histogram

        self._events = Counter(
            "encore_events", "Events that are on disk, or were before.", ["outcome"], registry=registry
        )
        self._unknown = Counter(
            "encore_events_unknown_items", "Events on items that the catalogue lacks.", registry=registry
        )
        self._failures = Counter(
            "encore_events_store_failures", "Calls that the event store failed.", ["call"], registry=registry
        )
        self._seconds = Histogram(
            "encore_events_seconds",
            "Seconds from a body of events to its acknowledgement.",
            buckets=SECONDS,
            registry=registry,
        )
        self._judged = Counter(
            "encore_live_judged", "Events that an answer was found for.", ["arm"], registry=registry
        )
        self._hits = Counter(
            "encore_live_hits", "Events whose item that answer had listed.", ["arm"], registry=registry
        )
        for outcome in ("new", "known", "forgotten"):  # a count of 0 is shown, too
            self._events.labels(outcome)
        for call in get_args(Call):
            self._failures.labels(call)
        for arm in ("champion", "challenger"):
            self._judged.labels(arm)
            self._hits.labels(arm)

    def added(self, *, new: int, known: int, forgotten: int, unknown_items: int, seconds: float) -> None:
        """Count a body of events and the time it took."""
        for outcome, n_events in (("new", new), ("known", known), ("forgotten", forgotten)):
            self._events.labels(outcome).inc(n_events)
        self._unknown.inc(unknown_items)
        self._seconds.observe(seconds)

    def failed(self, call: Call) -> None:
        """Count a call that the store failed."""
        self._failures.labels(call).inc()

    def judged(self, judged: Judged) -> None:
        """Count an event that could be joined to an answer."""
        self._judged.labels(judged.arm).inc()
        self._hits.labels(judged.arm).inc(judged.is_hit)
