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


def digits_after(table: CodeTable, codes: Ints) -> Ints:
    """Collision digits of items that come later: int64 [J].

    They go on after the largest digit that their codes have in `table`, also where items have left it since,
    so that no row comes twice.

    Args:
        table: I items.
        codes: int64 [J, L], codes of the new items without the digit.

    >>> digits_after(CodeTable(np.array([[0, 0], [0, 2]]), (1, 3)), np.array([[0], [0]])).tolist()
    [3, 4]
    """
    together = np.concatenate([table.semantic, codes])
    order = np.lexsort(together.T)
    ordered = together[order]
    group = np.empty(len(together), dtype=np.int64)
    group[order] = np.append(0, (ordered[1:] != ordered[:-1]).any(axis=1).cumsum())[: len(together)]
    taken = np.full(len(together), -1)
    np.maximum.at(taken, group[: len(table)], table.codes[:, -1])
    fresh = group[len(table) :]
    order = np.argsort(fresh, kind="stable")
    first = np.searchsorted(fresh[order], fresh[order])
    digit = np.empty(len(fresh), dtype=np.int64)
    digit[order] = taken[fresh[order]] + 1 + np.arange(len(fresh)) - first
    return digit
