"""Trial record: what both arms did so far, and whether the challenger was given up."""

import logging
import time
from typing import Any

from serving.door.schemas import RecommendResponse
from serving.trial.config import ArmName, TrialConfig
from serving.trial.metrics import TrialMetrics
from serving.trial.overlap import overlap_at_k
from serving.trial.revert import Revert, Watch

logger = logging.getLogger(__name__)


class TrialRecord:
    """Tells the rule and Prometheus what happens; belongs to one event loop.

    Attributes:
        reverted: why the challenger was given up; None as long as it is used.

    Args:
        config: of the trial.
        metrics: where it is counted.
        lines: keys of the answer log that name the trial.
    """

    def __init__(self, config: TrialConfig, metrics: TrialMetrics, lines: dict[str, Any]) -> None:
        self.config = config
        self.reverted: Revert | None = None
        self._metrics = metrics
        self._lines = lines
        self._watch = Watch(config.revert)
        self._counts = {"champion": 0, "challenger": 0, "failed": 0, "dropped": 0}

    def answered(self, arm: ArmName, latency_ms: float) -> None:
        """An arm answered."""
        self._counts[arm] += 1
        self._metrics.answered(arm, latency_ms)
        self._watch.answered(arm, latency_ms)
        if arm == "challenger":
            self._judge()

    def failed(self, error: Exception) -> str:
        """The challenger raised, or was late; returns the error in words."""
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        logger.warning("event=challenger_failed error=%r", said)
        self._counts["failed"] += 1
        self._metrics.failed("challenger")
        self._watch.failed()
        self._judge()
        return said

    def champion_failed(self) -> None:
        """The champion raised: the caller is told, the challenger is not to blame."""
        self._metrics.failed("champion")

    def compared(self, ours: RecommendResponse, theirs: RecommendResponse) -> None:
        """Both arms answered the same request."""
        first, second = ([each.item for each in answer.items] for answer in (ours, theirs))
        overlap = overlap_at_k(first, second, self.config.k)
        self._metrics.overlapped(overlap)
        self._watch.overlapped(overlap)

    def dropped(self) -> None:
        """A request was not mirrored, because too many wait."""
        self._counts["dropped"] += 1
        self._metrics.dropped()

    def revert(self, rule: str, reason: str) -> None:
        """Give the challenger up; the first reason stays."""
        if self.reverted is None:
            self.reverted = Revert(rule, reason, time.time())
            self._metrics.reverted(rule)
            logger.error("event=trial_reverted rule=%s reason=%r", rule, reason)

    def note(self, arm: ArmName, assigned: ArmName | None, latency_ms: float, **more: Any) -> dict[str, Any]:
        """What the answer log keeps of an answer; `assigned` is None where only one arm knows the user."""
        return {**self._lines, "arm": arm, "assigned": assigned, "latency_ms": latency_ms, **more}

    def counts(self) -> dict[str, int]:
        """Answers of each arm, failures of the challenger and dropped requests since the start."""
        return dict(self._counts)

    def _judge(self) -> None:
        broken = self._watch.broken()
        if broken is not None:
            self.revert(*broken)
