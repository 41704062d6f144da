"""Windows: what a model may learn from, whom it is asked about, and what they did next.

Validation and test windows are built by the same functions, so they differ in nothing but time.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from data.catalogue import Catalogue
from data.interactions import Interactions, Ints

COLD = -1


@dataclass(frozen=True, slots=True)
class Protocol:
    """What has to be known to compare two numbers; it travels with each of them.

    Attributes:
        split: "time" (production) or "leave-one-out" (comparison with papers).
        cutoff: Unix seconds; None for leave-one-out.
        until: Unix seconds, end of the target window; None for open.
        target: "first basket" or "next item".
        seen_masked: whether items of the history are barred from the list.
        candidates: always the full catalogue of the window.
        cold_targets: always kept in the denominator.
        ties: broken by item id.
        hits: counted item by item, even where two items share a semantic ID.
        fitted_on: "train" or "train + validation": what the model learned from. With "train" a test history
            still holds the validation event, as papers do it.
        query_time_told: whether the model learns when the target happened.
    """

    split: str
    cutoff: int | None
    until: int | None
    target: str
    seen_masked: bool = False
    candidates: str = "full catalogue"
    cold_targets: str = "in the denominator"
    ties: str = "smaller item id first"
    query_time_told: bool = False
    hits: str = "item by item"
    fitted_on: str = "train"


@dataclass(frozen=True, slots=True)
class Window:
    """One fit-and-ask situation.

    Attributes:
        name: "valid" or "test".
        protocol: how it was made.
        train: all events that a model may see, one row per user of `user_keys`; where a leave-one-out test
            is fitted on "train", the histories it is asked with, and the fit is on "valid"'s.
        user_keys: U external user ids, sorted.
        catalogue: I items, chosen by counts before the cut-off only.
        query_users: int64 [Q], rows of `train` that are asked about, ascending.
        target: int64 [sum of target sizes], dense ids, COLD where the item is not in the catalogue.
        target_offsets: int64 [Q + 1]; query q owns target[target_offsets[q]:target_offsets[q + 1]],
            distinct items, never empty.
    """

    name: str
    protocol: Protocol
    train: Interactions
    user_keys: list[str]
    catalogue: Catalogue
    query_users: Ints
    target: Ints
    target_offsets: Ints

    @property
    def histories(self) -> Interactions:
        """Histories of the queries, in their order: Q rows."""
        return self.train.select(self.query_users)

    def asking(self, queries: Ints) -> Self:
        """The same window with only these of its queries (int64, ascending places in `query_users`)."""
        sizes = np.diff(self.target_offsets)
        owner = np.repeat(np.arange(len(sizes)), sizes)
        offsets = np.concatenate([[0], np.cumsum(sizes[queries])]).astype(np.int64)
        kept = self.target[np.isin(owner, queries)]
        return replace(self, query_users=self.query_users[queries], target=kept, target_offsets=offsets)

    def sample(self, n: int | None, *, seed: int) -> Self:
        """The same window with `n` of its queries, drawn without replacement; all where None or too few."""
        n_queries = len(self.query_users)
        if n is None or n >= n_queries:
            return self
        drawn = np.random.default_rng(seed).choice(n_queries, size=n, replace=False)
        return self.asking(np.sort(drawn).astype(np.int64))
