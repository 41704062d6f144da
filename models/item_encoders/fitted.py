"""Fitted encoders: the contract of whatever turns items into vectors, also items that come later.

Knows no kind. Dims: J items, D vector size.
"""

from abc import abstractmethod
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from data.catalogue import Catalogue
from models.recommender import Arrays, Floats


class ItemEncoder(Protocol):
    """A fitted map from items to vectors; an item gets the same vector alone and among others."""

    kind: ClassVar[str]

    @abstractmethod
    def encode(self, items: Catalogue) -> Floats:
        """Vectors of items that have the columns and text fields it was fitted on: float32 [J, D].

        An item that it was fitted on gets the vector that fitting gave it, to rounding (not `collaborative`).
        What fitting never saw, words or categories, is passed over; where nothing is left, zeros.

        Raises:
            ModuleNotFoundError: a package that it needs is not installed.
            ValueError: a column is missing.
        """
        ...

    @abstractmethod
    def arrays(self) -> Arrays:
        """What was learned, as arrays."""
        ...

    @abstractmethod
    def head(self) -> dict[str, Any]:
        """The rest as plain JSON."""
        ...

    @classmethod
    @abstractmethod
    def from_state(cls, head: dict[str, Any], arrays: Arrays) -> Self:
        """The inverse of `head` and `arrays`."""
        ...


def unit_rows(vectors: Any) -> Floats:
    """Rows of length one, or zero where they are: float32."""
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norm, 1e-9), dtype=np.float32)


def packed(parts: dict[str, Arrays]) -> Arrays:
    """Arrays of several parts under names of one level: part.name."""
    return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}


def unpacked(arrays: Arrays, part: str) -> Arrays:
    """Those of one part, as it named them."""
    start = f"{part}."
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
