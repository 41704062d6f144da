"""Trie beam: extend the best prefixes code by code; only prefixes of allowed items exist.

Dims: Q queries, W beam width, N trie nodes without the root, I items, k list length.
"""

import numpy as np

from data.interactions import Ints
from models.decoding.open_nodes import open_nodes
from models.recommender import Floats, Mask, Recommendations, top_k
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
    n_queries, n_items = len(prefix_scores), len(trie.leaf_of)
    usable = open_nodes(allowed, trie)
    found = np.full((n_queries, n_items), -np.inf)
    for query in range(n_queries):
        leaves = _search(prefix_scores[query], trie, usable[query % len(usable)], beam)
        found[query, trie.item_of[leaves]] = prefix_scores[query, leaves - 1]
    return top_k(found, k, None)


def _search(scores: Floats, trie: Trie, usable: Mask, beam: int) -> Ints:
    """Leaves that survive every level, at most `beam` of them."""
    kept = np.array([0])
    for _ in range(trie.n_levels):
        begin, end = trie.child_offsets[kept], trie.child_offsets[kept + 1]
        lengths = end - begin
        ahead = np.concatenate([[0], np.cumsum(lengths)])
        children = np.arange(ahead[-1]) + np.repeat(begin - ahead[:-1], lengths)
        children = children[usable[children]]
        best = np.lexsort((children, -scores[children - 1]))[:beam]
        kept = children[best]
    return kept
