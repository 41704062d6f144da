"""Exact decoding: the best allowed leaves of the trie, all of them compared."""

from models.recommender import Floats, Mask, Recommendations, top_k
from models.tokenizers.code_table import Trie


def top_items(prefix_scores: Floats, trie: Trie, k: int, allowed: Mask | None) -> Recommendations:
    """The k best items.

    Args:
        prefix_scores: float [Q, N], log-probability of each node but the root, in trie order.
        trie: the items' semantic IDs.
        k: list length.
        allowed: bool [I] or [Q, I], or None for all.
    """
    return top_k(prefix_scores[:, trie.leaf_of - 1], k, allowed)
