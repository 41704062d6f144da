"""Multiple comparisons: p-values that stay honest when many questions are asked at once."""

import numpy as np
from numpy.typing import NDArray

Floats64 = NDArray[np.float64]


def holm(p_values: Floats64) -> Floats64:
    """Holm's step-down adjustment (1979): float64 [M] -> [M]; NaN counts as 1.

    Rejecting what is at or below alpha keeps the chance of any wrong rejection at or below alpha, however
    the questions depend on each other.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    known = np.where(np.isnan(p_values), 1.0, p_values)
    order = np.argsort(known, kind="stable")
    factors = np.arange(len(known), 0, -1)
    adjusted = np.empty_like(known)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(known[order] * factors))
    return adjusted
