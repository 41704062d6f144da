"""Residual k-means: a vector as a sum of centroids, coarse to fine, one code per level.

The tokenizer of GRID and of RQ-style work without a neural codec (RQ: Zeghidour et al. 2021,
arXiv:2107.03312, section III-C, with k-means instead of learned codebooks). Dims: I items, D vector size,
L levels of codes, K codes of a level.
"""

from dataclasses import dataclass
from typing import Self

import faiss
import numpy as np
from pydantic import Field

from data.interactions import Ints
from models.recommender import Arrays, Config, Floats
from models.tokenizers.code_table import CodeTable
from models.tokenizers.collisions import append_digit


class TokenizerConfig(Config):
    """Shape of the semantic IDs."""

    n_levels: int = Field(default=2, ge=1, le=8, description="Levels of codes before the collision digit.")
    codebook_size: int = Field(default=128, ge=2, le=65_536, description="K, codes of each level.")
    iterations: int = Field(default=20, ge=1, description="Rounds of k-means.")


@dataclass(frozen=True, slots=True)
class ResidualKMeans:
    """A fitted tokenizer.

    Attributes:
        config: its settings.
        codebooks: float32 [L, K', D]; K' < K where there are fewer distinct vectors than K.
    """

    config: TokenizerConfig
    codebooks: Floats

    @classmethod
    def fit(cls, vectors: Floats, config: TokenizerConfig, *, seed: int) -> Self:
        """Learn L codebooks on float32 [I, D]; every level on what the ones before left over.

        Raises:
            ValueError: no vector, or a value that is not finite.
        """
        if len(vectors) == 0 or not np.isfinite(vectors).all():
            raise ValueError(
                f"The tokenizer needs finite vectors of at least one item, but got {len(vectors)} items: "
                "check the item encoder."
            )
        residual = np.ascontiguousarray(vectors, dtype=np.float32)
        n_codes = min(config.codebook_size, len(np.unique(residual, axis=0)))
        books = []
        for level in range(config.n_levels):
            book = _kmeans(residual, n_codes, config.iterations, seed + level)
            residual = residual - book[_nearest(residual, book)]
            books.append(book)
        return cls(config, np.stack(books))

    def encode(self, vectors: Floats) -> Ints:
        """Codes of float32 [I, D]: int64 [I, L], without the collision digit."""
        residual = np.ascontiguousarray(vectors, dtype=np.float32)
        codes = []
        for book in self.codebooks:
            codes.append(_nearest(residual, book))
            residual = residual - book[codes[-1]]
        return np.stack(codes, axis=1)

    def decode(self, codes: Ints) -> Floats:
        """Vectors that the codes stand for: int64 [I, L] -> float32 [I, D]."""
        vectors: Floats = self.codebooks[np.arange(codes.shape[1]), codes].sum(axis=1)
        return vectors

    def table(self, vectors: Floats) -> CodeTable:
        """Semantic IDs of a whole catalogue, collisions told apart by a last digit."""
        size = self.codebooks.shape[1]
        return append_digit(self.encode(vectors), (size,) * self.config.n_levels)

    def extend(self, table: CodeTable, vectors: Floats) -> CodeTable:
        """Append new items, float32 [J, D]; no published code moves."""
        every = np.concatenate([table.codes[:, :-1], self.encode(vectors)])
        fresh = append_digit(every, table.sizes[:-1])
        sizes = (*table.sizes[:-1], max(table.sizes[-1], fresh.sizes[-1]))
        return table.extend(fresh.codes[len(table) :], sizes)

    def state(self) -> Arrays:
        """What was learned, for a bundle."""
        return {"codebooks": self.codebooks}


def _kmeans(vectors: Floats, n_codes: int, iterations: int, seed: int) -> Floats:
    """Centroids float32 [K, D] by faiss; all points are used, so the result depends on the seed alone."""
    quantizer = faiss.Kmeans(
        vectors.shape[1],
        n_codes,
        niter=iterations,
        nredo=5,  # one random start in five merges two far groups
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=len(vectors),
    )
    quantizer.train(vectors)
    return np.asarray(quantizer.centroids, dtype=np.float32)


def _nearest(vectors: Floats, book: Floats) -> Ints:
    """Index of the nearest centroid: int64 [I], in float64 so that batches agree; ties: smaller code."""
    norms = (book.astype(np.float64) ** 2).sum(1)
    parts = [
        np.argmin(norms - 2.0 * (chunk.astype(np.float64) @ book.T.astype(np.float64)), axis=1)
        for chunk in np.array_split(vectors, max(1, len(vectors) // 65_536))
    ]
    return np.concatenate(parts).astype(np.int64)
