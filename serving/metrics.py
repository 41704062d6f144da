"""Metrics: what Prometheus is told beside BentoML's own request counts and times."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from serving.door.schemas import CompleteRequest, Lineage, ListRules, RecommendRequest, RecommendResponse

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

CATALOGUE = {
    "version": "Number of the catalogue's version.",
    "items": "Items of the champion, the hidden ones not taken off.",
    "hidden": "Hidden items.",
}


class Metrics:
    """Counters and histograms of one service process.

    Args:
        registry: where they are kept; None leaves them to the files that BentoML collects.
    """

    def __init__(self, registry: "CollectorRegistry | None" = None) -> None:
        # At import time BentoML has not yet said where the processes of a service share their counts.
        from prometheus_client import Counter, Gauge, Histogram

        self._served = Gauge(
            "encore_served",
            "1 for the model that is served.",
            ["family", "bundle", "bento", "run_id", "generation"],
            registry=registry,
            multiprocess_mode="max",
        )
        self._requests = Counter(
            "encore_requests", "Requests that were answered.", ["kind"], registry=registry
        )
        self._refusals = Counter(
            "encore_refusals", "Requests that were refused.", ["status"], registry=registry
        )
        self._ignored = Counter(
            "encore_ignored_items", "Keys that the catalogue does not have.", registry=registry
        )
        self._fallbacks = Counter(
            "encore_fallbacks",
            "Answers that no known history is behind, or no model.",
            ["why"],
            registry=registry,
        )
        self._short = Counter("encore_short_lists", "Lists with fewer than k items.", registry=registry)
        self._batch = Histogram(
            "encore_batch_size", "Requests of one model call.", buckets=BATCH_SIZES, registry=registry
        )
        self._seconds = Histogram(
            "encore_model_seconds", "Seconds of one model call.", buckets=SECONDS, registry=registry
        )

        self._forbidden = Counter(
            "encore_forbidden_items_served",
            "Items that a list held though its request or the shop forbids them; taken out. Must stay 0.",
            registry=registry,
        )
        self._catalogue = {
            name: Gauge(
                f"encore_catalogue_{name}", said, registry=registry, multiprocess_mode="livemostrecent"
            )
            for name, said in CATALOGUE.items()
        }

    def catalogue(self, version: int, items: int, hidden: int) -> None:
        """Say which version of the catalogue answers."""
        for name, value in (("version", version), ("items", items), ("hidden", hidden)):
            self._catalogue[name].set(value)

    def forbidden(self, n_items: int) -> None:
        """Count items that had to be taken out of a list."""
        self._forbidden.inc(n_items)

    def served(self, lineage: Lineage) -> None:
        """Say which model is served."""
        origin = (lineage.bento, lineage.run_id, lineage.generation)
        bento, run_id, generation = (each or "" for each in origin)
        self._served.labels(lineage.family, lineage.bundle[:12], bento, run_id, generation).set(1)

    def answered(self, request: ListRules, response: RecommendResponse) -> None:
        """Count one answer."""
        self._requests.labels(_kind(request)).inc()
        if response.ignored:
            self._ignored.inc(len(response.ignored))
        if response.fallback is not None:
            self._fallbacks.labels(response.fallback).inc()
        if len(response.items) < request.k:
            self._short.inc()

    def refused(self, status: int) -> None:
        """Count one refusal by its HTTP status."""
        self._refusals.labels(str(status)).inc()

    def called(self, batch: Sequence[object], seconds: float) -> None:
        """Count one model call."""
        self._batch.observe(len(batch))
        self._seconds.observe(seconds)


def _kind(request: ListRules) -> str:
    if isinstance(request, RecommendRequest):
        return "user" if request.user is not None else "history"
    return "complete" if isinstance(request, CompleteRequest) else "similar"
