"""Residual k-means: a vector as a sum of centroids, coarse to fine, one code per level.

The tokenizer of GRID and of RQ-style work without a neural codec (RQ: Zeghidour et al. 2021,
arXiv:2107.03312, section III-C, with k-means instead of learned codebooks). Dims: I items, D vector size,
L levels of codes, K codes of a level.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from data.interactions import Ints
from models.recommender import Arrays, Config, Floats
from models.tokenizers.clustering import kmeans, n_distinct, nearest
from models.tokenizers.tokenizer import Tokenizer, checked


class ResidualKMeansConfig(Config):
    """Shape of the semantic IDs."""

    kind: Literal["residual-kmeans"] = "residual-kmeans"
    n_levels: int = Field(default=2, ge=1, le=8, description="Levels of codes before the collision digit.")
    codebook_size: int = Field(default=128, ge=2, le=65_536, description="K, codes of each level.")
    iterations: int = Field(default=20, ge=1, description="Rounds of k-means.")


@dataclass(frozen=True, slots=True)
class ResidualKMeans(Tokenizer):
    """A fitted tokenizer.

    Attributes:
        config: its settings.
        codebooks: float32 [L, K', D]; K' < K where there are fewer distinct vectors than K.
    """

    kind: ClassVar[str] = "residual-kmeans"
    config: ResidualKMeansConfig
    codebooks: Floats

    @classmethod
    def fit(
        cls, vectors: Floats, config: ResidualKMeansConfig, *, seed: int, teacher: Floats | None = None
    ) -> Self:
        """See `Tokenizer.fit`; every level learns from what the ones before left over."""
        residual = checked(vectors)
        n_codes = min(config.codebook_size, n_distinct(residual))
        return cls(config, residual_books(residual, config.n_levels, n_codes, config.iterations, seed))

    @property
    def sizes(self) -> tuple[int, ...]:
        """See `Tokenizer.sizes`."""
        return (self.codebooks.shape[1],) * self.config.n_levels

    def encode(self, vectors: Floats) -> Ints:
        """See `Tokenizer.encode`."""
        residual = checked(vectors, size=self.codebooks.shape[2])
        codes = []
        for book in self.codebooks:
            codes.append(nearest(residual, book))
            residual = residual - book[codes[-1]]
        return np.stack(codes, axis=1)

    def decode(self, codes: Ints) -> Floats:
        """See `Tokenizer.decode`."""
        vectors: Floats = self.codebooks[np.arange(codes.shape[1]), codes].sum(axis=1)
        return vectors

    def state(self) -> Arrays:
        """See `Tokenizer.state`."""
        return {"codebooks": self.codebooks}

    @classmethod
    def from_state(cls, config: ResidualKMeansConfig, state: Arrays) -> Self:
        """See `Tokenizer.from_state`."""
        return cls(config, state["codebooks"])


def residual_books(vectors: Floats, n_levels: int, n_codes: int, iterations: int, seed: int) -> Floats:
    """Codebooks float32 [L, K, D] of float32 [I, D], each by k-means on what the ones before left over."""
    residual, books = vectors, []
    for level in range(n_levels):
        book = kmeans(residual, n_codes, iterations=iterations, seed=seed + level)
        residual = residual - book[nearest(residual, book)]
        books.append(book)
    return np.stack(books)
