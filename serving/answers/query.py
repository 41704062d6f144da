"""Query: one request in dense ids, and what became of it on the way; knows no model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from data.interactions import Ints
from models.recommender import Mask
from serving.answers.recent import NOTHING, Recent
from serving.door.schemas import Fallback

if TYPE_CHECKING:
    from serving.answers.answerer import Answerer

NOTICES: dict[Fallback, str] = {
    "unknown-user": "the user is not known: the answer is the model's list for an unknown user",
    "empty-history": "empty history: the answer is the model's list for an unknown user",
    "unknown-items": "no item of the history is known: the answer is the model's list for an unknown user",
    "time-out": "the model took too long: the answer is made without it",
    "no-basket": "nothing shared a basket with these items: the answer is by content, or what all buy lately",
}


class Unanswerable(ValueError):
    """The request asks for something that these items or this model do not have."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Which items may be in a list.

    Attributes:
        barred: int64 ids that may not.
        candidates: int64 ids that may; None for all.
        only: bool [I], what the filters leave; None for all.
    """

    barred: Ints
    candidates: Ints | None
    only: Mask | None

    @property
    def is_open(self) -> bool:
        """Whether every item may."""
        return self.candidates is None and self.only is None and not len(self.barred)

    def fill(self, allowed: Mask) -> None:
        """Write into bool [I] what may be in the list."""
        allowed[:] = self.candidates is None
        if self.candidates is not None:
            allowed[self.candidates] = True
        if self.only is not None:
            allowed &= self.only
        allowed[self.barred] = False


@dataclass(frozen=True, slots=True)
class Past:
    """What a user did before, in dense ids.

    Attributes:
        items: dense ids, oldest first, unknown items dropped.
        times: Unix seconds, parallel to `items`.
        baskets: ordinals, parallel to `items`, not decreasing.
        fallback: why there is nothing, None where there is something.
        recent: what it rests on beside the bundle; its events are those with which it ends.
    """

    items: Sequence[int] = ()
    times: Sequence[int] = ()
    baskets: Sequence[int] = ()
    fallback: Fallback | None = None
    recent: Recent = NOTHING

    @property
    def ids(self) -> Ints:
        """The items as int64 [T]."""
        return np.asarray(self.items, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Query:
    """One request in dense ids.

    Attributes:
        answerer: whose dense ids they are, and who answers; a batch may hold queries of several.
        past: the history.
        k: list length.
        rules: which items may be in the list.
        ignored: keys that the catalogue does not have.
        diversity: see `RecommendRequest`.
        explain: likewise.
    """

    answerer: "Answerer"
    past: Past
    k: int
    rules: Rules
    ignored: list[str]
    diversity: float = 0.0
    explain: bool = False

    @property
    def pool(self) -> int:
        """Items to ask the model for: more than k where the list is to be diverse."""
        return self.k if not self.diversity else max(50, 5 * self.k)


def notice_of(fallback: Fallback | None, n_listed: int, k: int, of_past: str | None = None) -> str | None:
    """What the caller should know about an answer, None for nothing; `of_past` is said first."""
    said = None if fallback is None else NOTICES[fallback]
    short = f"only {n_listed} of {k} items: no others are allowed" if n_listed < k else None
    return "; ".join(part for part in (of_past, said, short) if part) or None
