"""Collisions: items with equal codes get one more digit, so that a semantic ID names one item."""

import numpy as np

from data.interactions import Ints
from models.tokenizers.code_table import CodeTable


def append_digit(codes: Ints, sizes: tuple[int, ...]) -> CodeTable:
    """Count equal rows in item order: 0 for the first, 1 for the next... (TIGER section 3.1).

    Args:
        codes: int64 [I, L].
        sizes: codes of each level, L entries.

    >>> append_digit(np.array([[0, 1], [2, 0], [0, 1]]), (3, 2)).codes.tolist()
    [[0, 1, 0], [2, 0, 0], [0, 1, 1]]
    """
    order = np.lexsort((np.arange(len(codes)), *codes.T[::-1]))
    ordered = codes[order]
    fresh = np.ones(len(codes), dtype=bool)
    fresh[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    start = np.flatnonzero(fresh)
    digit = np.empty(len(codes), dtype=np.int64)
    digit[order] = np.arange(len(codes)) - start[np.cumsum(fresh) - 1]
    return CodeTable(np.column_stack([codes, digit]), (*sizes, int(digit.max(initial=0)) + 1))
