"""Content neighbours: how far the vectors of items point the same way; knows no user and no code.

Dims: I items, D vector size.
"""

import numpy as np

from data.interactions import Ints
from models.recommender import Floats, Mask


class ContentNeighbours:
    """Cosine neighbours among the items of a catalogue, all of them compared; the vectors are not copied.

    Args:
        vectors: float32 [I, D]; a row of zeros is near nothing.
    """

    def __init__(self, vectors: Floats) -> None:
        self._vectors = vectors
        squares: Floats = np.einsum("id,id->i", vectors, vectors)  # in no second table
        self._norms: Floats = np.maximum(np.sqrt(squares), np.float32(1e-9))

    def knows(self, items: Ints) -> Mask:
        """Whether anything is known of each item's content: bool [len(items)]."""
        return np.asarray(self._vectors[items].any(axis=1))

    def mean(self, items: Ints) -> Floats:
        """The direction of several items together: float32 [D]; zeros for none."""
        if not len(items):
            return np.zeros(self._vectors.shape[1], dtype=np.float32)
        together: Floats = self._unit(items).mean(axis=0)
        return together

    def similarity(self, items: Ints, others: Ints) -> Floats:
        """Cosine of each pair: float32 [len(items), len(others)]."""
        cosine: Floats = self._unit(items) @ self._unit(others).T
        return cosine

    def scores(self, direction: Floats) -> Floats:
        """Cosine of every item to a direction, float32 [D] of any length: float32 [I]; zeros give zeros."""
        along: Floats = self._vectors @ (direction / max(float(np.linalg.norm(direction)), 1e-9))
        return along / self._norms

    def _unit(self, items: Ints) -> Floats:
        """Vectors of length one: float32 [len(items), D]."""
        unit: Floats = self._vectors[items] / self._norms[items, None]
        return unit
