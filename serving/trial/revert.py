"""Revert: when a challenger is given up, by what its newest requests did; knows no model and no server."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from serving.trial.config import ArmName, RevertConfig

PERCENTILE = 95


@dataclass(frozen=True, slots=True)
class Revert:
    """Why and when a challenger was given up.

    Attributes:
        rule: the setting that was broken, "loading" or "by hand".
        reason: one line for people.
        when: Unix seconds UTC.
    """

    rule: str
    reason: str
    when: float


class Watch:
    """The newest requests of both arms, and whether they break a rule.

    A request of an arm is its latency in milliseconds, or a failure: an error, or no answer in time. With
    fewer than `min_requests` of the challenger in the window nothing is judged, and latencies are compared
    once the champion has as many.

    Args:
        config: window and limits.
    """

    def __init__(self, config: RevertConfig) -> None:
        self.config = config
        self._latencies: dict[ArmName, deque[float]] = {
            arm: deque(maxlen=config.window) for arm in ("champion", "challenger")
        }
        self._failed: deque[bool] = deque(maxlen=config.window)
        self._overlaps: deque[float] = deque(maxlen=config.window)

    def answered(self, arm: ArmName, latency_ms: float) -> None:
        """Note an answer."""
        self._latencies[arm].append(latency_ms)
        if arm == "challenger":
            self._failed.append(False)

    def failed(self) -> None:
        """Note a request that the challenger did not answer."""
        self._failed.append(True)

    def overlapped(self, overlap: float) -> None:
        """Note what a mirrored list shares with the champion's, in [0, 1]."""
        self._overlaps.append(overlap)

    def broken(self) -> tuple[str, str] | None:
        """The broken rule and a sentence with its numbers; None while there is none."""
        config = self.config
        if len(self._failed) < config.min_requests:
            return None
        share = _mean(self._failed)
        if share > config.max_error_share:
            what = f"{share:.1%} of the newest {len(self._failed)} requests failed or were late"
            return "max_error_share", f"{what}, at most {config.max_error_share:.1%} may."
        return self._slow() or self._different()

    def _slow(self) -> tuple[str, str] | None:
        config, theirs = self.config, self._latencies["challenger"]
        if len(theirs) < config.min_requests:
            return None
        theirs_ms = float(np.percentile(theirs, PERCENTILE))
        said = f"{PERCENTILE} % of the newest {len(theirs)} answers took up to {theirs_ms:.1f} ms"
        if config.max_latency_ms is not None and theirs_ms > config.max_latency_ms:
            return "max_latency_ms", f"{said}, at most {config.max_latency_ms:g} ms are allowed."
        ours = self._latencies["champion"]
        if len(ours) < config.min_requests:
            return None
        ours_ms = float(np.percentile(ours, PERCENTILE))
        if theirs_ms > config.max_latency_ratio * ours_ms:
            limit = f"at most {config.max_latency_ratio:g} times the champion's {ours_ms:.1f} ms are allowed"
            return "max_latency_ratio", f"{said}, {limit}."
        return None

    def _different(self) -> tuple[str, str] | None:
        config = self.config
        if len(self._overlaps) < config.min_requests:
            return None
        mean = _mean(self._overlaps)
        if mean >= config.min_overlap:
            return None
        said = f"the newest {len(self._overlaps)} lists share {mean:.1%} of their items with the champion's"
        return "min_overlap", f"{said}, at least {config.min_overlap:.1%} must be shared."


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
