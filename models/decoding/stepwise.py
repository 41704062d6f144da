"""Stepwise beam: spell items code by code with a scorer that reads the prefix; only real items exist.

Trie-constrained beam search over an autoregressive model (TIGER, Rajput et al. 2023, arXiv:2305.05065,
section 3.2; the paper's beam is free and may spell nothing). All queries and prefixes of a level are one
call, without the prefixes that only one item continues, the rest of which is certain, and without those below
k such items, which nothing can lift. Dims: Q queries, W beam width, A prefixes asked about, K codes of a
level, C most children of a prefix, N trie nodes, k list length.
"""

from typing import Protocol

import numpy as np

from data.interactions import Ints
from models.decoding.open_nodes import open_nodes
from models.recommender import NO_ITEM, Mask, Reals, Recommendations, top_k
from models.tokenizers.code_table import Trie


class Speller(Protocol):
    """Remembers the prefixes it was shown; asked level by level."""

    def first(self) -> Reals:
        """Logits of the first code: float [Q, K]."""
        ...

    def then(self, source: Ints, code: Ints) -> Reals:
        """Logits of the next code, after each prefix has taken one more.

        Args:
            source: int64 [Q, A], which of the prefixes asked about before is extended.
            code: int64 [Q, A], by what.

        Returns:
            float [Q, A, K], K of the level that follows.
        """
        ...


def stepwise_beam(
    speller: Speller, trie: Trie, k: int, allowed: Mask | None, *, beam: int
) -> Recommendations:
    """The k best items that a beam of width `beam` finds; equal to scoring every item once it is wide enough.

    A code's probability is renormalised over the codes that continue its prefix to some item, allowed or not,
    so scores are log-probabilities of items and do not depend on `allowed`. A list is as full as the allowed
    items make it, however narrow the beam. Prefixes are compared in float32: what is equal up to noise ties,
    and ties go to the earlier prefix, in the end to the smaller item id.

    Args:
        speller: of Q queries.
        trie: the items' semantic IDs.
        k: list length.
        allowed: bool [I] or [Q, I]; a prefix without an allowed item below it is never taken.
        beam: prefixes kept per level; at least k.

    Raises:
        ValueError: k below 1, or the beam is narrower than the list.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, but got {k}: ask for one item or more.")
    if beam < k:
        raise ValueError(f"The beam must be at least k wide, but got beam={beam}, k={k}: widen the beam.")
    usable = open_nodes(allowed, trie)
    logits = speller.first()[:, None, :]
    nodes = place = np.zeros((len(logits), 1), dtype=np.int64)
    scores: Reals = np.zeros((len(logits), 1))
    for level in range(trie.n_levels):
        source, nodes, scores = _extend(logits, place, nodes, scores, trie, usable, beam)
        if level + 1 < trie.n_levels:
            scores = _in_reach(scores, trie.one_item[nodes], k)
            parent = np.take_along_axis(place, source, axis=1)
            asked, place = _to_ask(~trie.one_item[nodes] & ~np.isneginf(scores))
            taken = (np.take_along_axis(each, asked, axis=1) for each in (parent, trie.code[nodes]))
            logits = speller.then(*taken)
    return _ranked(np.where(np.isneginf(scores), NO_ITEM, trie.item_of[nodes]), scores, k)


def _in_reach(scores: Reals, certain: Mask, k: int) -> Reals:
    """The scores of prefixes, -inf for those below k certain items: no item that goes on from them is listed.

    An item scores no more than its prefixes, so dropping them changes no list. All [Q, W].
    """
    if scores.shape[1] <= k:
        return scores
    rounded = scores.astype(np.float32)
    items = np.where(certain, rounded, -np.inf)
    worst_listed = np.partition(items, -k, axis=1)[:, [-k]]
    kept: Reals = np.where(certain | (rounded >= worst_listed), scores, -np.inf)
    return kept


def _to_ask(undecided: Mask) -> tuple[Ints, Ints]:
    """Which prefixes to ask about, and where among them each prefix is: bool [Q, W] -> [Q, A], [Q, W].

    A row with fewer than A of them is filled up with others. A prefix that is not asked about is at 0, and
    whatever stands there: its only child has probability 1.
    """
    n_asked = max(1, int(undecided.sum(axis=1).max()))
    asked = np.argsort(~undecided, axis=1, kind="stable")[:, :n_asked]
    return asked, np.where(undecided, undecided.cumsum(axis=1) - 1, 0)


def _extend(
    logits: Reals, place: Ints, nodes: Ints, scores: Reals, trie: Trie, usable: Mask, beam: int
) -> tuple[Ints, Ints, Reals]:
    """The best children of the kept prefixes: which prefix each extends, its node and log-probability.

    All [Q, W']; nodes ascend within a row, and slots that are left over score -inf. The logits after prefix w
    of query q are logits[q, place[q, w]].
    """
    begin, end = trie.child_offsets[nodes], trie.child_offsets[nodes + 1]
    width = int((end - begin).max())
    child = begin[..., None] + np.arange(width)
    real = child < end[..., None]
    child = np.where(real, child, begin[..., None])
    query = np.arange(len(nodes))[:, None, None]
    total = scores[..., None] + _log_softmax(logits[query, place[..., None], trie.code[child]], real)
    open_to = usable[query if len(usable) > 1 else 0, child]
    total = np.where(real & open_to, total, -np.inf).reshape(len(nodes), -1)
    best = top_k(total.astype(np.float32), min(beam, total.shape[1]), None).items
    found = best != NO_ITEM
    best = np.sort(np.where(found, best, total.shape[1]), axis=1)
    found = best < total.shape[1]
    best = np.where(found, best, 0)
    kept = np.where(found, np.take_along_axis(total, best, axis=1), -np.inf)
    return best // width, np.take_along_axis(child.reshape(len(nodes), -1), best, axis=1), kept


def _log_softmax(logits: Reals, real: Mask) -> Reals:
    """Over the last axis, of what is real: float [Q, W, C]."""
    masked = np.where(real, logits, -np.inf)
    shifted = masked - masked.max(axis=2, keepdims=True)
    out: Reals = shifted - np.log(np.exp(shifted).sum(axis=2, keepdims=True))
    return out


def _ranked(items: Ints, scores: Reals, k: int) -> Recommendations:
    """Best first, ties by item id, filled up to k: [Q, W] -> [Q, k]."""
    rounded = scores.astype(np.float32)
    order = np.lexsort((items, -rounded), axis=-1)[:, :k]
    short = ((0, 0), (0, k - order.shape[1]))
    return Recommendations(
        np.pad(np.take_along_axis(items, order, axis=1), short, constant_values=NO_ITEM),
        np.pad(np.take_along_axis(rounded, order, axis=1), short, constant_values=-np.inf),
    )
