"""Overlap: how much two lists for the same request have in common."""

from collections.abc import Sequence


def overlap_at_k(ours: Sequence[str], theirs: Sequence[str], k: int) -> float:
    """Shared items of two lists' first k, over the longer one's length, in [0, 1]; 1 for two empty lists.

    >>> overlap_at_k(["a", "b", "c"], ["b", "a", "d"], k=2)
    1.0
    """
    first, second = ours[:k], theirs[:k]
    longest = max(len(first), len(second))
    return len(set(first) & set(second)) / longest if longest else 1.0
