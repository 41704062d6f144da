"""Cold items: some items are held out of every history, then users who wanted one of them are asked about.

A model sees of these items nothing but their fields. Asked over the full catalogue, and among the held-out
items alone. Dims: I items, B histories, D size of an item vector.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from data.interactions import Interactions, Ints
from data.split import Window
from models.recommender import Config, Floats, Mask, Recommendations, Recommender, top_k
from validation.evaluation.evaluate import evaluate

SHOWN = ("recall@10", "ndcg@10")


@dataclass(frozen=True)
class ColdSplit:
    """Held-out items and who wanted one.

    Attributes:
        held_out: bool [I].
        learn: the training events without them.
        test: the test window, its histories without them, asking only whose target is one of them.
        removed: int64 [I], training events that each held-out item lost, 0 elsewhere.
    """

    held_out: Mask
    learn: Interactions
    test: Window
    removed: Ints


def hold_out(valid: Window, test: Window, share: float, *, seed: int) -> ColdSplit | None:
    """Draw `share` of the catalogue; None where no test user wanted one of the items.

    Args:
        valid: leave-one-out window whose `train` is learned from.
        test: the one that asks with the validation event in the histories, over the same catalogue.
        share: of the items, in (0, 1).
        seed: of the draw.
    """
    n_items = len(valid.catalogue)
    rng = np.random.default_rng([seed, 1])
    held_out = np.zeros(n_items, dtype=bool)
    held_out[rng.choice(n_items, size=max(1, round(share * n_items)), replace=False)] = True
    train = valid.train
    wanted = np.flatnonzero(held_out[test.target] & (test.target >= 0)).astype(np.int64)
    if not len(wanted):  # leave-one-out has one target a query, so places in `target` are queries
        return None
    lost = np.bincount(train.item, minlength=n_items) * held_out
    asked = replace(test.asking(wanted), train=without(test.train, held_out))
    return ColdSplit(held_out, without(train, held_out), asked, lost)


def without(events: Interactions, items: Mask) -> Interactions:
    """The events on other items; baskets are numbered anew, every user keeps a row."""
    kept = events.where(~items[events.item])
    user, basket = kept.user, kept.basket
    fresh = np.ones(len(kept), dtype=bool)
    fresh[1:] = (user[1:] != user[:-1]) | (basket[1:] != basket[:-1])
    number = np.cumsum(fresh)
    first = np.zeros(kept.n_users, dtype=np.int64)
    filled = kept.lengths > 0
    first[filled] = number[kept.offsets[:-1][filled]]
    return replace(kept, basket=number - first[user])


class TextSimilarity:
    """Cosine between an item and the mean of the history's items, newer ones weighing more."""

    family = "text-similarity"
    config = Config()

    def __init__(self, vectors: Floats, decay: float) -> None:
        self._vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        self._decay = decay

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        """See `Recommender.recommend`."""
        back = np.repeat(histories.offsets[1:], histories.lengths) - 1 - np.arange(len(histories))
        shape = (histories.n_users, len(self._vectors))
        weights = sp.csr_matrix((self._decay**back, histories.item, histories.offsets), shape=shape)
        return top_k(np.asarray((weights @ self._vectors) @ self._vectors.T, dtype=np.float32), k, allowed)


class Counts:
    """The same list for everyone, by given counts."""

    family = "counts"
    config = Config()

    def __init__(self, counts: Ints) -> None:
        self._counts = counts.astype(np.float32)

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        """See `Recommender.recommend`; the history is not used."""
        everyone = np.broadcast_to(self._counts, (histories.n_users, len(self._counts)))
        return top_k(everyone, k, allowed)


def ask(model: Recommender | TextSimilarity | Counts, split: ColdSplit) -> dict[str, dict[str, float]]:
    """Means over the full catalogue and among the held-out items, seen items masked."""
    found = {}
    for where, candidates in {"full": None, "within": split.held_out}.items():
        report, _ = evaluate(
            model,  # type: ignore[arg-type]  # a baseline answers and is never stored
            split.test,
            family=model.family,
            ks=(10,),
            seen_masked=True,
            candidates=candidates,
        )
        found[where] = {metric: report.mean(metric) for metric in SHOWN}
    return found
