"""Trie beam: extend the best prefixes code by code; only prefixes of allowed items exist.

Prefixes that the beam does not reach are not scored, so the cost of a list hardly grows with the catalogue.
Dims: Q queries, W beam width, C children that a level compares, N trie nodes without the root, I items, k
list length.
"""

from collections.abc import Callable

import numpy as np

from data.interactions import Ints
from models.decoding.open_nodes import open_nodes
from models.recommender import NO_ITEM, Floats, Mask, Reals, Recommendations, top_k
from models.tokenizers.code_table import Trie

Score = Callable[[Ints, Ints, Reals], tuple[Reals, Reals]]
"""Log-probabilities of children, all siblings together: (query int64 [C], ascending, node int64 [C], what was
told of their parent, float [C], 0 for the root) to (float [C], what their children are told, float [C]).

Queries ascend, and the nodes of a query."""


def looked_up(prefix_scores: Reals) -> Score:
    """Log-probabilities that are there already: [Q, N], in trie order."""
    return lambda query, node, told: (prefix_scores[query, node - 1], told)


def trie_beam(
    score: Score, n_queries: int, trie: Trie, k: int, allowed: Mask | None, *, beam: int
) -> Recommendations:
    """The k best items that a beam of width `beam` finds; equal to exact decoding once it is wide enough.

    Args:
        score: of prefixes.
        n_queries: Q.
        trie: the items' semantic IDs, CSR children.
        k: list length.
        allowed: bool [I] or [Q, I]; a prefix without an allowed item below it is never taken.
        beam: prefixes kept per level; at least k.

    Raises:
        ValueError: the beam is narrower than the list.
    """
    if beam < k:
        raise ValueError(f"The beam must be at least k wide, but got beam={beam}, k={k}: widen the beam.")
    usable = None if allowed is None else open_nodes(allowed, trie)
    query, node = np.arange(n_queries), np.zeros(n_queries, dtype=np.int64)
    value: Reals = np.zeros(n_queries)
    told: Reals = value
    for _ in range(trie.n_levels):
        parent, node = _children(node, trie)
        query = query[parent]
        value, told = score(query, node, told[parent])
        if usable is not None:
            value = np.where(usable[query % len(usable), node], value, -np.inf)
        kept = _best(value, query, n_queries, beam)
        query, node, value, told = query[kept], node[kept], value[kept], told[kept]
    items = trie.item_of[node]
    order = np.lexsort((items, query))
    query, items = query[order], items[order]
    found, column = _rows(value[order], query, n_queries)
    best = top_k(found, k, None)
    named = np.full((n_queries, found.shape[1] + 1), NO_ITEM)  # the last column answers to NO_ITEM
    named[query, column] = items
    return Recommendations(np.take_along_axis(named, best.items, axis=1), best.scores)


def _children(node: Ints, trie: Trie) -> tuple[Ints, Ints]:
    """Every child of every node, in the order given: place of its parent and node, int64 [C] both."""
    begin, end = trie.child_offsets[node], trie.child_offsets[node + 1]
    lengths = end - begin
    ahead = np.concatenate([[0], np.cumsum(lengths)])
    parent = np.repeat(np.arange(len(node)), lengths)
    return parent, np.arange(ahead[-1]) + (begin - ahead[:-1])[parent]


def _best(value: Reals, query: Ints, n_queries: int, beam: int) -> Ints:
    """Places of the `beam` best children of each query, ascending; those of score -inf are dropped."""
    table, _ = _rows(value, query, n_queries)
    kept = np.sort(top_k(table, beam, None).items, axis=1)
    rows, places = np.nonzero(kept != NO_ITEM)
    return np.searchsorted(query, rows) + kept[rows, places]


def _rows(scores: Reals, query: Ints, n_queries: int) -> tuple[Floats, Ints]:
    """Scores [C] as float32 [Q, most of a query], -inf where a query has fewer, and the column of each."""
    starts = np.searchsorted(query, np.arange(n_queries))
    column = np.arange(len(query)) - starts[query]
    table = np.full((n_queries, column.max(initial=0) + 1), -np.inf, dtype=np.float32)
    table[query, column] = scores
    return table, column
