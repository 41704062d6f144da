"""Borrowing: an item that nobody has bought takes part of the vectors of items that are described alike.

Bought items add the mean of what they are bought with (`sparse_product.mean_over_neighbours`), so one without
events would be half as long as they are and in nobody's list. Training never sees such an item, so this is
for answers alone. Dims: I items, C content size.
"""

import numpy as np
import scipy.sparse as sp

from models.recommender import Floats, Mask

SHARE = 0.6  # of a whole mean: at 1 unbought items push bought ones out of the lists, at 0.3 they stay unseen
POWER = 4  # of the cosine: who is described almost the same counts for most
ROWS_PER_PASS = 1024


def borrowed_from(content: Floats, known: Mask, n_neighbours: int) -> sp.csr_matrix:
    """Weights on the known items nearest in content: [I, I]; rows of known items are empty.

    Args:
        content: float32 [I, C].
        known: bool [I], whether the item has a training event.
        n_neighbours: how many it borrows from, at least 1.
    """
    unit = content / np.maximum(np.linalg.norm(content, axis=1, keepdims=True), 1e-9)
    lenders, borrowers = np.flatnonzero(known), np.flatnonzero(~known)
    n = min(n_neighbours, len(lenders))
    rows, columns, weights = [], [], []
    for start in range(0, len(borrowers) if n else 0, ROWS_PER_PASS):
        here = borrowers[start : start + ROWS_PER_PASS]
        cosine = np.maximum(unit[here] @ unit[lenders].T, 0)
        nearest = np.argpartition(-cosine, n - 1, axis=1)[:, :n]
        weight = np.take_along_axis(cosine, nearest, axis=1).astype(np.float64) ** POWER
        rows.append(np.repeat(here, n))
        columns.append(lenders[nearest].ravel())
        weights.append((SHARE * weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-9)).ravel())
    shape = (len(content), len(content))
    if not rows:
        return sp.csr_matrix(shape)
    return sp.csr_matrix((np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape)
