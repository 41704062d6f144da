"""Parallel slots: the items whose codes are likeliest, each scored on its own; exact for any catalogue size.

Score(item) = sum over slots of log p(code of the slot), as in RPG (Hou et al. 2025, arXiv:2506.05781, whose
graph search approximates this list) and SETRec. Items go by in blocks, and each query keeps its best k, so
memory is O(Q * (block + k)) whatever I is. Dims: Q queries, m slots, K codes of a slot, I items, k list
length.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from data.interactions import Ints
from models.recommender import NO_ITEM, Floats, Mask, Recommendations, top_k

Codes = NDArray[np.integer]


def top_slots(
    log_probs: Floats, codes: Codes, k: int, allowed: Mask | None = None, *, block: int = 16_384
) -> Recommendations:
    """The k best items of each query; items with equal codes tie, and ties go to the smaller id.

    Sums are float32 in the order of the slots, so a query gets the same bits alone and among others.

    Args:
        log_probs: float [Q, m, K]; codes of a slot that do not exist may hold anything.
        codes: integers [I, m], in [0, K); uint8 or int16 keep a large catalogue small.
        k: list length; rows are filled with NO_ITEM past the allowed items.
        allowed: bool [I] or [Q, I], or None for all.
        block: items scored at once.

    Raises:
        ValueError: k below 1, or codes with another number of slots.
    """
    n_queries, n_slots, size = log_probs.shape
    if k < 1:
        raise ValueError(f"k must be at least 1, but got {k}: ask for one item or more.")
    if codes.shape[1] != n_slots:
        raise ValueError(
            f"codes must have one column per slot, but got {codes.shape[1]} columns for {n_slots} slots: "
            "score with the model of these codes."
        )
    table = torch.from_numpy(log_probs.transpose(1, 2, 0).astype(np.float32).reshape(-1, n_queries))
    first = (np.arange(n_slots) * size).astype(np.int32)
    best = Recommendations(
        np.full((n_queries, k), NO_ITEM), np.full((n_queries, k), -np.inf, dtype=np.float32)
    )
    items = _worth_scoring(allowed, len(codes))
    for begin in range(0, len(items), block):
        here = items[begin : begin + block]
        rows = torch.from_numpy(codes[here] + first)
        scores = functional.embedding_bag(rows, table, mode="sum").numpy()
        if allowed is not None and allowed.ndim == 2:
            scores[~allowed[:, here].T] = -np.inf
        best = _merge(best, here, scores, k)
    return best


def _worth_scoring(allowed: Mask | None, n_items: int) -> Ints:
    """Items that some query may get, ascending: int64 [J]."""
    if allowed is None:
        return np.arange(n_items)
    return np.flatnonzero(np.atleast_2d(allowed).any(axis=0))


def _merge(best: Recommendations, items: Ints, scores: Floats, k: int) -> Recommendations:
    """The best of what was kept and of a block: [Q, k], ids of the block int64 [J], scores float32 [J, Q].

    Ids of the block come after those kept, so only what scores above a query's worst can enter.
    """
    better = scores > best.scores[:, -1]
    if not better.any():
        return best
    if np.count_nonzero(better) > best.items.size:  # too many to sort: choose the block's best first
        block = top_k(scores.T, k, None)
        new_items, new_scores = np.where(block.items == NO_ITEM, NO_ITEM, items[block.items]), block.scores
        rows = np.repeat(np.arange(len(new_items)), k)
        new_items, new_scores = new_items.ravel(), new_scores.ravel()
    else:
        place, rows = np.nonzero(better)
        new_items, new_scores = items[place], scores[place, rows]
    every_row = np.concatenate([np.repeat(np.arange(len(best.items)), k), rows])
    every_item = np.concatenate([best.items.ravel(), new_items])
    every_score = np.concatenate([best.scores.ravel(), new_scores])
    order = np.lexsort((every_item, -every_score, every_row))
    start = np.searchsorted(every_row[order], np.arange(len(best.items)))
    kept = order[start[:, None] + np.arange(k)]
    return Recommendations(every_item[kept], every_score[kept])
