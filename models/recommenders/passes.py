"""Passes: many histories answered some at a time, those of alike lengths together.

A pass is as wide as its longest history, so sorted by length little of it is padding.
"""

from collections.abc import Callable

import numpy as np

from data.interactions import Interactions
from models.recommender import Mask, Recommendations, concatenate

ROWS = 64  # histories of a pass; only speed depends on it


def in_passes(
    histories: Interactions,
    k: int,
    allowed: Mask | None,
    answer: Callable[[Interactions, Mask | None], Recommendations],
) -> Recommendations:
    """What `answer` lists for all histories, in their order.

    Args:
        histories: of B users.
        k: list length.
        allowed: bool [I] or [B, I], or None for all; `answer` gets the rows of its histories.
        answer: the k best items of each of some histories.
    """
    order = np.argsort(histories.lengths, kind="stable")
    parts = []
    for begin in range(0, len(order), ROWS):
        rows = order[begin : begin + ROWS]
        here = allowed if allowed is None or allowed.ndim == 1 else allowed[rows]
        parts.append(answer(histories.select(rows), here))
    sorted_lists, place = concatenate(parts, k), np.argsort(order)
    return Recommendations(sorted_lists.items[place], sorted_lists.scores[place])
