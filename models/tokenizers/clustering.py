"""Clustering: k-means by faiss and nearest centroids, for the tokenizers that look codes up in a book.

Dims: I items, D vector size, K centroids.
"""

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from data.interactions import Ints
from models.recommender import Floats

ROWS_PER_PASS = 65_536


def kmeans(
    vectors: Floats,
    n_codes: int,
    *,
    iterations: int,
    seed: int,
    starts: int = 5,
    warm: Floats | None = None,
) -> Floats:
    """Centroids float32 [K, D]; all points are used, so the result depends on the seed alone.

    Args:
        vectors: float32 [I, D].
        n_codes: K, at most I.
        iterations: rounds of Lloyd's algorithm.
        seed: of the random starts.
        starts: random starts, of which the best is kept; one start in five merges two far groups.
        warm: float32 [K, D], centroids to go on from instead.
    """
    quantizer = faiss.Kmeans(
        vectors.shape[1],
        n_codes,
        niter=iterations,
        nredo=starts if warm is None else 1,
        seed=seed,
        min_points_per_centroid=1,
        max_points_per_centroid=len(vectors),
    )
    quantizer.train(np.ascontiguousarray(vectors, dtype=np.float32), init_centroids=warm)
    return np.asarray(quantizer.centroids, dtype=np.float32)


def nearest(vectors: NDArray[Any], book: Floats) -> Ints:
    """Index of the nearest centroid: int64 [I], in float64 so that batches agree; ties: smaller code."""
    wide = book.astype(np.float64)
    norms = (wide**2).sum(1)
    parts = [
        np.argmin(norms - 2.0 * (chunk.astype(np.float64) @ wide.T), axis=1)
        for chunk in np.array_split(vectors, max(1, len(vectors) // ROWS_PER_PASS))
    ]
    return np.concatenate(parts).astype(np.int64)


def n_distinct(vectors: Floats) -> int:
    """Number of different rows."""
    return len(np.unique(vectors, axis=0))
