"""Tokenizer: the contract that every way of turning item vectors into codes keeps.

Knows no collision digit but in `table` and `extend`, which are the same for all kinds. Dims: I items,
D vector size, L levels of codes (slots, where they have no order), K codes of a level.
"""

from abc import abstractmethod
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from data.interactions import Ints
from models.recommender import Arrays, Config, Floats
from models.tokenizers.code_table import CodeTable
from models.tokenizers.collisions import append_digit, digits_after


class Tokenizer(Protocol):
    """A fitted map from vectors to codes and back; equal vectors get equal codes, alone and in any batch."""

    kind: ClassVar[str]
    config: Config

    @classmethod
    @abstractmethod
    def fit(cls, vectors: Floats, config: Any, *, seed: int, teacher: Floats | None = None) -> Self:
        """Learn the codes of float32 [I, D].

        Args:
            vectors: content of the items.
            config: settings of this kind.
            seed: of everything random; the same seed gives the same bits.
            teacher: float32 [I, D'], vectors of the same items that say who goes with whom; kinds that learn
                from content alone take no notice of it.

        Raises:
            ValueError: no item, a value that is not finite, or a kind that needs a teacher and got none.
        """
        ...

    @property
    @abstractmethod
    def sizes(self) -> tuple[int, ...]:
        """Codes of each level, L entries."""
        ...

    @abstractmethod
    def encode(self, vectors: Floats) -> Ints:
        """Codes of float32 [I, D]: int64 [I, L], without the collision digit.

        Raises:
            ValueError: another D than at `fit`, or a value that is not finite.
        """
        ...

    @abstractmethod
    def decode(self, codes: Ints) -> Floats:
        """Vectors that the codes stand for: int64 [I, L] -> float32 [I, D]."""
        ...

    @abstractmethod
    def state(self) -> Arrays:
        """Everything that was learned, as arrays; with `config` it rebuilds the tokenizer."""
        ...

    @classmethod
    @abstractmethod
    def from_state(cls, config: Any, state: Arrays) -> Self:
        """The inverse of `state`."""
        ...

    def table(self, vectors: Floats) -> CodeTable:
        """Semantic IDs of a whole catalogue, float32 [I, D]; collisions are told apart by a last digit."""
        return append_digit(self.encode(vectors), self.sizes)

    def extend(self, table: CodeTable, vectors: Floats) -> CodeTable:
        """Append new items, float32 [J, D]; no published code moves."""
        codes = self.encode(vectors)
        digit = digits_after(table, codes)
        sizes = (*table.semantic_sizes, max(table.sizes[-1], int(digit.max(initial=-1)) + 1))
        return table.extend(np.column_stack([codes, digit]), sizes)


def checked(vectors: Floats, *, size: int | None = None) -> Floats:
    """The vectors as contiguous float32 [I, D], after their shape and values were checked.

    Args:
        vectors: of items.
        size: D if it is known, as by a fitted tokenizer; without it at least one item is asked for.

    Raises:
        ValueError: another shape, a value that is not finite, or no item to fit on.
    """
    if vectors.ndim != 2 or (size is not None and vectors.shape[1] != size):
        raise ValueError(
            f"A tokenizer needs vectors of shape [I, {size or 'D'}], but got {list(vectors.shape)}: "
            "encode the items as those it was fitted on."
        )
    if not np.isfinite(vectors).all() or (size is None and not vectors.size):
        raise ValueError(
            f"The tokenizer needs finite vectors of at least one item, but got {len(vectors)} items, "
            f"{int((~np.isfinite(vectors)).any(axis=1).sum())} of them not finite: check the item encoder."
        )
    return np.ascontiguousarray(vectors, dtype=np.float32)
