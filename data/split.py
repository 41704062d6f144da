"""Windows: what a model may learn from, whom it is asked about, and what they did next.

Validation and test windows are built by the same functions, so they differ in nothing but time.
"""

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Window:
    """One fit-and-ask situation.

    Attributes:
        name: "valid" or "test".
        protocol: how it was made.
        train: all events that a model may see, one row per user of `user_keys`.
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
