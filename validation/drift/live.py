"""Live: how the champion does on events that came after everything it was trained and judged on."""

import numpy as np
from numpy.typing import NDArray

from validation.drift.config import Limits
from validation.drift.measures import Measure
from validation.gates.significance import bootstrap_means, percentile_interval


def live(
    values: NDArray[np.float64],
    promised: float,
    metric: str,
    limits: Limits,
    *,
    seed: int,
    alpha: float = 0.05,
) -> Measure:
    """The loss against what it was promoted with, as far as it exceeds what chance over users gives.

    The value is 1 - (upper end of the 1 - alpha interval of the mean) / promised, 0 where that is negative.

    Args:
        values: the metric of each fresh user, float64 [Q].
        promised: mean of the metric at its promotion, above 0.
        metric: its name.
        limits: relative losses that call for something.
        seed: of the bootstrap.
        alpha: the interval covers 1 - alpha.
    """
    drawn = bootstrap_means(values[:, None], resamples=2_000, seed=seed)
    low, high = (float(end[0]) for end in percentile_interval(drawn, alpha))
    words = f"{values.mean():.4f} [{low:.4f}, {high:.4f}], {len(values):,} users"
    loss = max(0.0, 1 - high / promised)
    return Measure(f"live {metric}", loss, limits, f"{promised:.4f} when it was promoted", words)
