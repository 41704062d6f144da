"""Open nodes: the prefixes that still lead to an allowed item."""

import numpy as np

from models.recommender import Mask
from models.tokenizers.code_table import Trie


def open_nodes(allowed: Mask | None, trie: Trie) -> Mask:
    """Whether an allowed item lies at or below each node, the root included.

    Args:
        allowed: bool [I] or [Q, I], or None for all.
        trie: the items' semantic IDs.

    Returns:
        bool [1, N] for one set or none, bool [Q, N] for a set per query.
    """
    if allowed is None:
        return np.ones((1, len(trie)), dtype=bool)
    rows = np.atleast_2d(allowed)
    nodes = np.zeros((len(rows), len(trie)), dtype=bool)
    nodes[:, trie.leaf_of] = rows
    for level in reversed(range(trie.n_levels)):
        here = slice(trie.level_offsets[level], trie.level_offsets[level + 1])
        below = slice(trie.level_offsets[level + 1], trie.level_offsets[level + 2])
        first_child = trie.child_offsets[here] - below.start
        nodes[:, here] = np.logical_or.reduceat(nodes[:, below], first_child, axis=1)
    return nodes
