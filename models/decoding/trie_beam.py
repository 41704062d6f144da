"""Trie beam: extend the best prefixes code by code; only prefixes of allowed items exist.

Dims: Q queries, W beam width, N trie nodes without the root, I items, k list length.
"""

import numpy as np

from data.interactions import Ints
from models.decoding.open_nodes import open_nodes
from models.recommender import NO_ITEM, Floats, Mask, Recommendations, top_k
from models.tokenizers.code_table import Trie


def trie_beam(
    prefix_scores: Floats, trie: Trie, k: int, allowed: Mask | None, *, beam: int
) -> Recommendations:
    """The k best items that a beam of width `beam` finds; equal to exact decoding once it is wide enough.

    Args:
        prefix_scores: float [Q, N], log-probability of each node but the root, in trie order.
        trie: the items' semantic IDs, CSR children.
        k: list length.
        allowed: bool [I] or [Q, I]; a prefix without an allowed item below it is never taken.
        beam: prefixes kept per level; at least k.

    Raises:
        ValueError: the beam is narrower than the list.
    """
    if beam < k:
        raise ValueError(f"The beam must be at least k wide, but got beam={beam}, k={k}: widen the beam.")
    n_queries = len(prefix_scores)
    usable = None if allowed is None else open_nodes(allowed, trie)
    query, node = np.arange(n_queries), np.zeros(n_queries, dtype=np.int64)
    for _ in range(trie.n_levels):
        query, node = _children(query, node, trie)
        if usable is not None:
            kept = usable[query % len(usable), node]
            query, node = query[kept], node[kept]
        query, node = _best(prefix_scores, query, node, n_queries, beam)
    items = trie.item_of[node]
    order = np.lexsort((items, query))
    query, items, node = query[order], items[order], node[order]
    found, column = _rows(prefix_scores[query, node - 1], query, n_queries)
    best = top_k(found, k, None)
    named = np.full((n_queries, found.shape[1] + 1), NO_ITEM)  # the last column answers to NO_ITEM
    named[query, column] = items
    return Recommendations(np.take_along_axis(named, best.items, axis=1), best.scores)


def _children(query: Ints, node: Ints, trie: Trie) -> tuple[Ints, Ints]:
    """Every child of every node, with its query; int64 [C] both, in the order given."""
    begin, end = trie.child_offsets[node], trie.child_offsets[node + 1]
    lengths = end - begin
    ahead = np.concatenate([[0], np.cumsum(lengths)])
    return np.repeat(query, lengths), np.arange(ahead[-1]) + np.repeat(begin - ahead[:-1], lengths)


def _best(scores: Floats, query: Ints, node: Ints, n_queries: int, beam: int) -> tuple[Ints, Ints]:
    """The `beam` best nodes of each query, again ascending; nodes of score -inf are dropped."""
    table, column = _rows(scores[query, node - 1], query, n_queries)
    kept = np.sort(top_k(table, beam, None).items, axis=1)
    rows, places = np.nonzero(kept != NO_ITEM)
    named = np.zeros(table.shape, dtype=np.int64)
    named[query, column] = node
    return rows, named[rows, kept[rows, places]]


def _rows(scores: Floats, query: Ints, n_queries: int) -> tuple[Floats, Ints]:
    """Scores [C] as float32 [Q, most of a query], -inf where a query has fewer, and the column of each."""
    starts = np.searchsorted(query, np.arange(n_queries))
    column = np.arange(len(query)) - starts[query]
    table = np.full((n_queries, column.max(initial=0) + 1), -np.inf, dtype=np.float32)
    table[query, column] = scores
    return table, column
