"""Answers: a request to histories and masks, a recommender's lists to a response; knows no server.

The offline half of parity uses this class too, so what is proven is what is served. Dims: B queries, I items.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import groupby

import numpy as np

from data.interactions import Interactions, Ints
from models.bundle import Bundle
from models.content_neighbours import ContentNeighbours
from models.decoding.diverse import diverse
from models.families import FAMILIES
from models.recommender import NO_ITEM, Floats, Mask, Recommendations
from serving.answers.availability import Availability
from serving.answers.explain import Explainer
from serving.answers.lister import Lister
from serving.answers.query import Past, Query, Unanswerable, notice_of
from serving.answers.recent import NoRecentEvents, RecentEvents, continued
from serving.answers.rules import RuleBook
from serving.answers.without_model import WithoutModel
from serving.door.schemas import Fallback, Lineage, RecommendRequest, RecommendResponse


class Answerer:
    """Answers requests from one bundle.

    Args:
        bundle: recommender, catalogue, users and lineage.
        digest: SHA-256 of the bundle as stored.
        bento: tag of the Bento it is packed in, None outside one.
        availability: items that are hidden or not in stock; None: what the catalogue says.
        version: of the live catalogue, 0 for the bundle's own.
        like: of the same bundle as it was loaded; what it counted and looked up about users is used again.
        recent: what users did since the bundle was made; None for what `like` has, or for nothing.
    """

    def __init__(
        self,
        bundle: Bundle,
        digest: str,
        bento: str | None = None,
        availability: Availability | None = None,
        version: int = 0,
        like: "Answerer | None" = None,
        recent: RecentEvents | None = None,
    ) -> None:
        self.bundle = bundle
        self._recent: RecentEvents = recent or (like._recent if like else NoRecentEvents())
        self.availability = availability or Availability()
        self.version = version
        self._like = like
        origin = bundle.lineage
        self.lineage = Lineage(
            bento=bento,
            run_id=origin.get("run_id"),
            snapshot=origin.get("snapshot"),
            generation=origin.get("generation"),
            family=bundle.recommender.family,
            bundle=digest,
        )
        family = FAMILIES.get(bundle.recommender.family)
        self.rules = RuleBook(bundle.catalogue, self.availability)
        self.lister = Lister(bundle.catalogue, "generative" if family and family.generative else "counts")
        self._row_of: dict[str, int] = (
            like._row_of if like else {key: row for row, key in enumerate(bundle.user_keys)}
        )

    @property
    def current(self) -> "Answerer":
        """Itself; where the catalogue is live, a seat gives the present one (`catalogue/live.py`)."""
        return self

    @cached_property
    def without(self) -> WithoutModel:
        """What answers where the model is late, or is not asked."""
        return WithoutModel(self, None if self._like is None else self._like.without)

    @cached_property
    def neighbours(self) -> ContentNeighbours | None:
        """What is near by content; None where the bundle has no vectors."""
        return None if self.bundle.items is None else ContentNeighbours(self.bundle.items.vectors)

    @cached_property
    def explainer(self) -> Explainer | None:
        """What says why; None where the bundle has no codes."""
        if self.bundle.items is None or self.neighbours is None:
            return None
        return Explainer(self.bundle.catalogue, self.bundle.items.table, self.neighbours)

    def knows(self, request: RecommendRequest) -> bool:
        """Whether the request brings a history, or anything is known of its user."""
        user = request.user
        return user is None or self._row(user) is not None or bool(self._recent.of(user, since=0).events)

    def users(self, start: str) -> Iterator[str]:
        """The bundle's users whose key starts with `start`, in order, without those who were deleted."""
        found = (key for key in self.bundle.user_keys if key.startswith(start))
        return (key for key in found if not self._recent.is_gone(key))

    def recommend(self, requests: Sequence[RecommendRequest]) -> list[RecommendResponse]:
        """Answer all of `requests`, in their order.

        Raises:
            Unanswerable: one of them asks for something that these items or this model do not have.
        """
        return self.answer([self.translate(request) for request in requests])

    def translate(self, request: RecommendRequest) -> Query:
        """The request in dense ids.

        Raises:
            Unanswerable: it asks for something that these items or this model do not have.
        """
        if (request.diversity or request.explain) and self.neighbours is None:
            raise Unanswerable(
                "diversity and explain need a bundle with item vectors, but this one is of format 1: leave "
                "both out, or retrain."
            )
        past = self._past(request)
        seen = past.ids if request.exclude_seen else past.ids[:0]
        named = self.rules.unknown(request.history or [], request.exclude, request.allow or [])
        rules = self.rules.read(request, seen)
        return Query(self, past, request.k, rules, named, request.diversity, request.explain)

    def answer(self, queries: Sequence[Query]) -> list[RecommendResponse]:
        """One model call for each list length that occurs; the answers in the order of `queries`."""
        answers: dict[int, RecommendResponse] = {}
        order = sorted(range(len(queries)), key=lambda index: queries[index].pool)
        for pool, group in groupby(order, key=lambda index: queries[index].pool):
            rows = list(group)
            together = [queries[row] for row in rows]
            top = self.bundle.recommender.recommend(_histories(together), pool, allowed=self.mask(together))
            for place, row in enumerate(rows):
                answers[row] = self._response(queries[row], *_found(top, place))
        return [answers[row] for row in range(len(queries))]

    def mask(self, queries: Sequence[Query]) -> Mask | None:
        """Items that may be returned: bool [B, I], None where every query allows everything."""
        if all(query.rules.is_open for query in queries):
            return None
        allowed = np.empty((len(queries), len(self.bundle.catalogue)), dtype=np.bool_)
        for row, query in zip(allowed, queries, strict=True):
            query.rules.fill(row)
        return allowed

    def _past(self, request: RecommendRequest) -> Past:
        if request.user is None:
            return self._sent(request)
        row = self._row(request.user)
        own = self.bundle.histories.select(np.array([] if row is None else [row], dtype=np.int64))
        found = self._recent.of(request.user, since=int(own.time[-1]) if len(own) else 0)
        own = own.last(0) if found.is_forgotten else own
        ids = self.bundle.catalogue.ids([event.item for event in found.events]).tolist()
        past = continued(own, found.events, ids)
        why: Fallback | None = None
        if not past.items:
            why = "unknown-items" if found.events else "unknown-user" if row is None else "empty-history"
        return Past(past.items, past.times, past.baskets, why, replace(found, events=past.added))

    def _row(self, user: str) -> int | None:
        """The bundle's row of a user; where keys are hashed, a bundle may have learned from either form."""
        row = self._row_of.get(user)
        return self._row_of.get(self._recent.stored(user)) if row is None else row

    def _sent(self, request: RecommendRequest) -> Past:
        keys = request.history or []
        ids = self.bundle.catalogue.ids(keys).tolist()
        times = request.timestamps or range(len(keys))
        baskets = _ordinals(request.baskets) if request.baskets else range(len(keys))
        known = [place for place, item in enumerate(ids) if item >= 0]
        items, times, baskets = ([values[place] for place in known] for values in (ids, times, baskets))
        return Past(items, times, baskets, None if known else "unknown-items" if keys else "empty-history")

    def _response(self, query: Query, items: Ints, scores: Floats) -> RecommendResponse:
        if query.diversity and self.neighbours is not None:
            alike = self.neighbours.similarity(items, items)
            chosen = diverse(scores, alike, query.k, diversity=query.diversity)
            items, scores = items[chosen], scores[chosen]
        why = None
        if query.explain and self.explainer is not None:
            why = self.explainer.explain(items, query.past.ids)
        return RecommendResponse.model_construct(
            items=self.lister.lines(items, scores, history=query.past.items, why=why),
            lineage=self.lineage,
            ignored=query.ignored,
            notice=notice_of(query.past.fallback, len(items), query.k, query.past.recent.notice),
            fallback=query.past.fallback,
            catalogue=self.version,
        )


def answer_all(queries: Sequence[Query]) -> list[RecommendResponse]:
    """Answer each query by its own answerer, so that a swap under way changes no list; in their order."""
    answers: dict[int, RecommendResponse] = {}
    rows_of: dict[int, list[int]] = {}
    for row, query in enumerate(queries):
        rows_of.setdefault(id(query.answerer), []).append(row)
    for rows in rows_of.values():
        together = [queries[row] for row in rows]
        answers |= zip(rows, together[0].answerer.answer(together), strict=True)
    return [answers[row] for row in range(len(queries))]


def _found(top: Recommendations, row: int) -> tuple[Ints, Floats]:
    """Items and scores of one list, without what only fills it."""
    real = top.items[row] != NO_ITEM
    return top.items[row][real], top.scores[row][real]


def _histories(queries: list[Query]) -> Interactions:
    return Interactions.from_histories(
        [query.past.items for query in queries],
        [query.past.times for query in queries],
        [query.past.baskets for query in queries],
    )


def _ordinals(baskets: list[str]) -> list[int]:
    """Basket keys of one history, neighbours together, as 0, 0, 1, 2, 2..."""
    return [ordinal for ordinal, (_, events) in enumerate(groupby(baskets)) for _ in events]
