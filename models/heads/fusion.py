"""Fusion: several opinions on the next item as one distribution.

Either their weighted mean, for which one source that knows an item is enough, or their weighted geometric
mean, for which all should (linear and logarithmic opinion pools; Genest and Zidek 1986, Statistical Science
1(1), section 3). Dims: B histories, I items.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from data.interactions import Ints

Probabilities = NDArray[np.float64]
Pooling = Literal["linear", "logarithmic"]
LEAST = 1e-30
DOUBT = 0.01  # what a source gives to all items alike, so that none is barred because one source lacks it


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


def multiply(parts: list[tuple[float, Probabilities]]) -> Probabilities:
    """Log of the weighted geometric mean of the sources that know anything about a history: float64 [B, I].

    Args:
        parts: as of `mix`; of each row that is not zero, `DOUBT` is shared by all items first.

    >>> even = np.array([[1.0, 1.0, 0.0, 0.0]])
    >>> np.exp(multiply([(0.5, even), (0.5, np.array([[9.0, 1.0, 9.0, 1.0]]))])).round(3).tolist()
    [[0.697, 0.237, 0.049, 0.017]]
    """
    total, weights = np.zeros_like(parts[0][1]), np.zeros((len(parts[0][1]), 1))
    for weight, evidence in parts:
        mass = evidence.sum(axis=1, keepdims=True)
        known = (mass > 0) * weight
        share = evidence * ((1 - DOUBT) / np.where(mass > 0, mass, 1.0))
        total += known * np.log(share + DOUBT / evidence.shape[1])
        weights += known
    with np.errstate(divide="ignore"):
        return np.log(softmax(total / np.maximum(weights, 1e-300)))


POOLS: Mapping[Pooling, Callable[[list[tuple[float, Probabilities]]], Probabilities]] = {
    "linear": mix,
    "logarithmic": multiply,
}


def with_returns(new: Probabilities, query: Ints, item: Ints, back: Probabilities) -> Probabilities:
    """Log-probabilities over all items of a user who returns to an own item or takes one that is new: [B, I].

    Args:
        new: float64 [B, I], log-probabilities of the next item if it is new; those of own items are ignored.
        query: int64 [P], row of `new` of each item that its user had.
        item: int64 [P], that item.
        back: float64 [P], probability of returning to it; a user's sum up to at most 1. However sure they
            are, new items keep `LEAST` together, so that a list can be filled.

    >>> new = np.log([[0.5, 0.25, 0.25]])
    >>> np.exp(with_returns(new, np.array([0]), np.array([0]), np.array([0.8]))).round(3).tolist()
    [[0.8, 0.1, 0.1]]
    """
    out = np.exp(new)
    out[query, item] = 0.0
    left = np.clip(1.0 - np.bincount(query, weights=back, minlength=len(new)), LEAST, 1.0)
    out *= (left / np.maximum(out.sum(axis=1), 1e-300))[:, None]
    out[query, item] = back
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(out))


def softmax(scores: Probabilities) -> Probabilities:
    """Rows as distributions: float64 [B, I] -> [B, I]."""
    mass = np.exp(scores - scores.max(axis=1, keepdims=True))
    share: Probabilities = mass / mass.sum(axis=1, keepdims=True)
    return share
