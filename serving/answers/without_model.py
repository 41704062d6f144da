"""Without the model: what is like an item, what belongs to a basket, and the list when the model is late."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from data.interactions import Ints
from models.baselines.bought_together import BoughtTogether
from models.baselines.popularity import recent_counts
from models.recommender import NO_ITEM, Floats, top_k
from serving.answers.query import Query, Rules, Unanswerable, notice_of
from serving.door.schemas import (
    CompleteRequest,
    Fallback,
    RecommendedItem,
    RecommendResponse,
    SimilarRequest,
    Source,
)

if TYPE_CHECKING:
    from serving.answers.answerer import Answerer

LATEST = 10  # events of a history that say what it is about
HALF_LIFE_DAYS = 30.0  # of what all buy lately


@dataclass(frozen=True, slots=True)
class Way:
    """One way to rank the items.

    Attributes:
        scores: float32 [I]; -inf for an item that it says nothing about.
        source: its name in a response.
    """

    scores: Floats
    source: Source


class WithoutModel:
    """Lists from content, common baskets and popularity, over the items of an answerer.

    What all buy lately and what was bought together is counted on the histories of the bundle.

    Args:
        answerer: whose items, users and rules.
        like: of the same bundle with fewer items; its counts are used again, a new item has none.
    """

    def __init__(self, answerer: "Answerer", like: "WithoutModel | None" = None) -> None:
        self._answerer = answerer
        self._like = like

    def warm_up(self) -> None:
        """Count what answers are made from, so that no caller waits for it."""
        self._answerer.neighbours, self._trending, self._together  # noqa: B018 (made when read)

    @cached_property
    def _trending(self) -> Floats:
        bundle = self._answerer.bundle
        if self._like is not None:
            counted = self._like._trending
            return np.pad(counted, (0, len(bundle.catalogue) - len(counted)))
        return recent_counts(bundle.histories, len(bundle.catalogue), HALF_LIFE_DAYS)

    @cached_property
    def _together(self) -> BoughtTogether:
        bundle = self._answerer.bundle
        if self._like is not None:
            return self._like._together.padded(len(bundle.catalogue))
        return BoughtTogether(bundle.histories, len(bundle.catalogue))

    def similar(self, request: SimilarRequest) -> RecommendResponse:
        """Items that are like one, by content.

        Raises:
            Unanswerable: no such item, nothing is known of its content, or a rule that these items lack.
        """
        item = self._answerer.rules.known([request.item])
        if not len(item):
            raise Unanswerable(f"item: the catalogue has no {request.item!r}: /items?q=TEXT looks keys up.")
        if (by_content := self._by_content(item)) is None:
            raise Unanswerable(
                f"item: nothing is known of the content of {request.item!r}: describe it in the item table, "
                "or ask /complete, which goes by baskets."
            )
        rules = self._answerer.rules.read(request, item)
        ignored = self._answerer.rules.unknown(request.exclude, request.allow or [])
        return self._response([by_content], request.k, rules, ignored)

    def complete(self, request: CompleteRequest) -> RecommendResponse:
        """Items that shared a basket with these; by content, then by popularity, where there are too few.

        Raises:
            Unanswerable: a rule that these items lack.
        """
        basket = self._answerer.rules.known(request.basket)
        rules = self._answerer.rules.read(request, basket)
        together = self._together.scores(basket)
        together[together == 0] = together[basket] = -np.inf
        ways = [Way(together, "together"), *self._ways(basket)]
        ignored = self._answerer.rules.unknown(request.basket, request.exclude, request.allow or [])
        why: Fallback | None = None if np.isfinite(together).any() else "no-basket"
        return self._response(ways, request.k, rules, ignored, fallback=why)

    def instead_of(self, query: Query) -> RecommendResponse:
        """The answer to a query that the model did not answer in time."""
        ways = self._ways(query.past.ids[-LATEST:])
        return self._response(
            ways, query.k, query.rules, query.ignored, history=query.past.items, fallback="time-out"
        )

    def _ways(self, items: Ints) -> list[Way]:
        """Content where something is known of it, then popularity."""
        by_content = self._by_content(items)
        trending = Way(self._trending, "trending")
        return [trending] if by_content is None else [by_content, trending]

    def _by_content(self, items: Ints) -> Way | None:
        neighbours = self._answerer.neighbours
        if neighbours is None or not neighbours.knows(items).any():
            return None
        scores = neighbours.scores(neighbours.mean(items))
        return Way(np.where(scores > 0, scores, np.float32(-np.inf)), "content")

    def _response(
        self,
        ways: Sequence[Way],
        k: int,
        rules: Rules,
        ignored: list[str],
        *,
        history: Sequence[int] = (),
        fallback: Fallback | None = None,
    ) -> RecommendResponse:
        """The best allowed items of the first way, then of the next, until there are k."""
        allowed = np.empty(len(self._answerer.bundle.catalogue), dtype=np.bool_)
        rules.fill(allowed)
        lines: list[RecommendedItem] = []
        for way in ways:
            if len(lines) == k:
                break
            top = top_k(way.scores[None], k - len(lines), allowed)
            real = top.items[0] != NO_ITEM
            items = top.items[0][real]
            allowed[items] = False
            lines += self._answerer.lister.lines(
                items, top.scores[0][real], history=history, source=way.source, first=len(lines)
            )
        return RecommendResponse.model_construct(
            items=lines,
            lineage=self._answerer.lineage,
            ignored=ignored,
            notice=notice_of(fallback, len(lines), k),
            fallback=fallback,
            catalogue=self._answerer.version,
        )
