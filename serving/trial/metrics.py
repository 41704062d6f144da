"""Trial metrics: what Prometheus is told about champion and challenger."""

from typing import TYPE_CHECKING

from serving.metrics import SECONDS
from serving.trial.config import ArmName

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

TENTHS = tuple(tenth / 10 for tenth in range(11))


class TrialMetrics:
    """Counters of one trial; for `registry` see `metrics.Metrics`."""

    def __init__(self, registry: "CollectorRegistry | None" = None) -> None:
        # At import time BentoML has not yet said where the processes of a service share their counts.
        from prometheus_client import Counter, Gauge, Histogram

        self._seconds = Histogram(
            "encore_trial_seconds",
            "Seconds from request to answer of an arm, its queue included; _count: its answers.",
            ["arm"],
            buckets=SECONDS,
            registry=registry,
        )
        self._failures = Counter(
            "encore_trial_failures",
            "Requests that an arm failed, or was late for.",
            ["arm"],
            registry=registry,
        )
        self._dropped = Counter(
            "encore_trial_dropped", "Mirrored requests that the challenger never saw.", registry=registry
        )
        self._overlap = Histogram(
            "encore_trial_overlap",
            "Share of items that a mirrored list has in common with the champion's.",
            buckets=TENTHS,
            registry=registry,
        )
        self._reverted = Gauge(
            "encore_trial_reverted",
            "1 once the challenger was given up.",
            ["rule"],
            registry=registry,
            multiprocess_mode="max",
        )
        for arm in ("champion", "challenger"):  # a count of 0 is shown, too
            self._seconds.labels(arm)
            self._failures.labels(arm)

    def answered(self, arm: ArmName, latency_ms: float) -> None:
        """Count an answer of an arm."""
        self._seconds.labels(arm).observe(latency_ms / 1000)

    def failed(self, arm: ArmName) -> None:
        """Count a request that an arm did not answer."""
        self._failures.labels(arm).inc()

    def dropped(self) -> None:
        """Count a mirrored request that found the queue full."""
        self._dropped.inc()

    def overlapped(self, overlap: float) -> None:
        """Count what a mirrored list shares with the champion's, in [0, 1]."""
        self._overlap.observe(overlap)

    def reverted(self, rule: str) -> None:
        """Say that the challenger was given up."""
        self._reverted.labels(rule).set(1)
