"""Door metrics: what Prometheus is told of requests as such: how many, how long, at a time, not let in.

Instead of BentoML's own: those make a new time series for each path that anybody asks for, known or not, so a
stranger could fill the memory. Here a path is one of the table of calls.
"""

import os
from typing import TYPE_CHECKING

from serving.access.stages import STAGES, Stages
from serving.metrics import SECONDS

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

NO_PATH = "none"
"""The path of requests that the table of calls does not have."""


class DoorMetrics:
    """Counters and histograms of one service process; for `registry` see `serving.metrics.Metrics`."""

    def __init__(self, registry: "CollectorRegistry | None" = None) -> None:
        # At import time BentoML has not yet said where the processes of a service share their counts.
        from prometheus_client import Counter, Gauge, Histogram

        self._requests = Counter(
            "encore_http_requests", "Requests by path and status.", ["path", "status"], registry=registry
        )
        self._seconds = Histogram(
            "encore_http_seconds",
            "Seconds from the first line of a request to the last byte of its answer.",
            ["path"],
            buckets=SECONDS,
            registry=registry,
        )
        stages = Histogram(
            "encore_stage_seconds",
            "Seconds of a request in a stage: read, queue, model, write.",
            ["stage"],
            buckets=SECONDS,
            registry=registry,
        )
        self._stages = {stage: stages.labels(stage) for stage in STAGES}
        self._in_flight = Gauge(
            "encore_in_flight", "Requests at the moment.", registry=registry, multiprocess_mode="livesum"
        )
        self._rejected = Counter(
            "encore_rejected", "Requests that the guard did not let in.", ["reason"], registry=registry
        )

    def in_flight(self, n_requests: int) -> None:
        """Say how many are worked on."""
        self._in_flight.set(n_requests)

    def done(self, path: str | None, status: int, rejected: str | None, stages: Stages) -> None:
        """Count a request that is over; `rejected` says in a word why it was not let in."""
        path = path or NO_PATH
        if rejected is not None:
            self._rejected.labels(rejected).inc()
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(stages.total)
        for stage, taken in stages.seconds.items():
            self._stages[stage].observe(taken)


def exposition() -> tuple[bytes, str]:
    """All that this service counts, over all of its processes, and its media type."""
    from prometheus_client import (
        CONTENT_TYPE_LATEST,
        REGISTRY,
        CollectorRegistry,
        generate_latest,
        multiprocess,
    )

    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry), CONTENT_TYPE_LATEST
