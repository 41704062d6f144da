"""Fusion: several opinions on the next item as one distribution.

A mixture, not a product: one source that knows an item is enough. Dims: B histories, I items.
"""

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.float64]


def mix(parts: list[tuple[float, Probabilities]]) -> Probabilities:
    """Log of the weighted mean of the sources that know anything about a history: float64 [B, I].

    Args:
        parts: weight at least 0 and non-negative evidence [B, I] of each source; a row is divided by its sum,
            and a source whose row is zero leaves its weight to the others.

    >>> mix([(0.5, np.array([[1.0, 1.0]])), (0.5, np.array([[0.0, 2.0]]))]).round(3).tolist()
    [[-1.386, -0.288]]
    >>> mix([(0.5, np.array([[1.0, 1.0]])), (0.5, np.array([[0.0, 0.0]]))]).round(3).tolist()
    [[-0.693, -0.693]]
    """
    total, weights = np.zeros_like(parts[0][1]), np.zeros((len(parts[0][1]), 1))
    for weight, evidence in parts:
        mass = evidence.sum(axis=1, keepdims=True)
        known = (mass > 0) * weight
        total += evidence * (known / np.where(mass > 0, mass, 1.0))
        weights += known
    with np.errstate(divide="ignore"):
        out: Probabilities = np.log(total / np.maximum(weights, 1e-300))
    return out


def softmax(scores: Probabilities) -> Probabilities:
    """Rows as distributions: float64 [B, I] -> [B, I]."""
    mass = np.exp(scores - scores.max(axis=1, keepdims=True))
    share: Probabilities = mass / mass.sum(axis=1, keepdims=True)
    return share
