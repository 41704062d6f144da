"""Significance: how sure a difference between two models is, by resampling users.

The same users are drawn for both models (a paired bootstrap), so what is easy or hard for everyone cancels.
Memory is bounded by a block of resamples. Dims: Q users, M columns, R resamples.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats64 = NDArray[np.float64]
BLOCK = 4_000_000  # counts held at once, 32 MB: many small products leave BLAS waiting for its threads


@dataclass(frozen=True, slots=True)
class Comparison:
    """Mean of a minus mean of b over the same users, with a percentile bootstrap interval.

    Attributes:
        difference: mean(a) - mean(b).
        relative: difference / mean(b); infinite or NaN where mean(b) is 0.
        low: lower end of the two-sided interval of the difference.
        high: upper end of it.
        p_better: share of the resamples where a is strictly better.
        p_worse: share of the resamples where a is strictly worse.
        n: number of users.
    """

    difference: float
    relative: float
    low: float
    high: float
    p_better: float
    p_worse: float
    n: int


def paired_bootstrap(
    a: Floats64, b: Floats64, *, resamples: int = 10_000, seed: int, alpha: float = 0.05
) -> Comparison:
    """Compare two metrics of the same users, float64 [Q] each; a NaN makes every number NaN.

    Args:
        a: the challenger's metric, one value per user.
        b: the other model's metric, same users, same order.
        resamples: R; 10,000 keep the simulation error of a 95 % bound below a tenth of its width.
        seed: of the draws; equal seeds give equal numbers.
        alpha: the interval covers 1 - alpha.

    Raises:
        ValueError: different numbers of users, or none.

    >>> paired_bootstrap(np.array([1.0, 1.0]), np.array([0.5, 0.5]), seed=0)
    Comparison(difference=0.5, relative=1.0, low=0.5, high=0.5, p_better=1.0, p_worse=0.0, n=2)
    """
    return paired_bootstraps(a[:, None], b[:, None], resamples=resamples, seed=seed, alpha=alpha)[0]


def paired_bootstraps(
    a: Floats64, b: Floats64, *, resamples: int = 10_000, seed: int, alpha: float = 0.05
) -> list[Comparison]:
    """`paired_bootstrap` of each column of float64 [Q, M]; all columns share their draws."""
    if a.shape != b.shape:
        raise ValueError(f"paired values need the same users, but got {a.shape} and {b.shape}: align them.")
    with np.errstate(divide="ignore", invalid="ignore"):  # what is not finite stays so; callers refuse it
        difference = a - b
        drawn = bootstrap_means(difference, resamples=resamples, seed=seed)
        low, high = percentile_interval(drawn, alpha)
        mean = difference.mean(axis=0)
        relative = mean / b.mean(axis=0)
    p_better, p_worse = _share(drawn, drawn > 0), _share(drawn, drawn < 0)
    table = np.array([mean, relative, low, high, p_better, p_worse]).T.tolist()
    return [Comparison(m, r, lo, hi, better, worse, len(a)) for m, r, lo, hi, better, worse in table]


def bootstrap_means(values: Floats64, *, resamples: int, seed: int) -> Floats64:
    """Column means of R resamples of the rows, with replacement: float64 [Q, M] -> [R, M].

    A resample is how often each row was drawn; counts @ values gives all columns in one product.

    Raises:
        ValueError: no rows.
    """
    n_rows = len(values)
    if n_rows == 0:
        raise ValueError("a bootstrap needs users, but got none: choose a window with queries.")
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    counts = np.empty((min(resamples, max(1, BLOCK // n_rows)), n_rows))
    for start in range(0, resamples, len(counts)):
        block = counts[: resamples - start]
        for row in block:
            row[:] = np.bincount(rng.integers(0, n_rows, size=n_rows), minlength=n_rows)
        means[start : start + len(block)] = block @ values / n_rows
    return means


def percentile_interval(drawn: Floats64, alpha: float) -> tuple[Floats64, Floats64]:
    """Two-sided 1 - alpha interval of each column: float64 [R, M] -> [M], [M]; NaN in, NaN out."""
    low, high = np.quantile(drawn, [alpha / 2, 1 - alpha / 2], axis=0)
    return low, high


def _share(drawn: Floats64, holds: NDArray[np.bool_]) -> Floats64:
    """Share of the resamples where something holds, NaN for a column that holds a NaN: float64 [M]."""
    return np.where(np.isnan(drawn).any(axis=0), np.nan, holds.mean(axis=0))
