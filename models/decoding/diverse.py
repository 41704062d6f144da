"""Diverse: a list that says less of the same, chosen from a longer one.

Maximal marginal relevance (Carbonell and Goldstein 1998, SIGIR, equation in section 2), with relevance as the
share of the way from the worst to the best score of the pool. Dims: n items of the pool, k list length.
"""

import numpy as np

from data.interactions import Ints
from models.recommender import Floats


def diverse(scores: Floats, similarity: Floats, k: int, *, diversity: float) -> Ints:
    """Places in the pool of the k items to list, in their order: int64 [min(k, n)].

    Each step takes the item with the largest (1 - diversity) * relevance - diversity * similarity to the
    nearest one that was taken; ties go to the earlier place.

    Args:
        scores: float32 [n], best first.
        similarity: float32 [n, n].
        k: list length.
        diversity: 0 keeps the order, 1 looks at similarity alone once the best item is taken.
    """
    spread = float(scores[0] - scores[-1]) if len(scores) else 0.0
    relevance = (scores - scores[-1]) / spread if spread > 0 else np.ones(len(scores))
    taken: list[int] = []
    nearest = np.zeros(len(scores))
    left = np.ones(len(scores), dtype=bool)
    for _ in range(min(k, len(scores))):
        worth = np.where(left, (1 - diversity) * relevance - diversity * nearest, -np.inf)
        best = int(worth.argmax()) if taken else 0
        taken.append(best)
        left[best] = False
        nearest = np.maximum(nearest, similarity[best]) if len(taken) > 1 else similarity[best].astype(float)
    return np.array(taken, dtype=np.int64)
