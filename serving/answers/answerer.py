"""Answers: a request to histories and masks, a recommender's lists to a response; knows no server.

The offline half of parity uses this class too, so what is proven is what is served. Dims: B queries, I items.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

import numpy as np

from data.interactions import Interactions, Ints
from models.bundle import Bundle
from models.recommender import NO_ITEM, Floats, Mask
from serving.door.schemas import Lineage, RecommendedItem, RecommendRequest, RecommendResponse

EMPTY_HISTORY = "empty history: the answer is the model's list for an unknown user"
UNKNOWN_HISTORY = "no item of the history is known: the answer is the model's list for an unknown user"


class UnknownUser(ValueError):
    """The user key is not one of the bundle's."""


@dataclass(frozen=True, slots=True)
class Query:
    """One request in dense ids.

    Attributes:
        items: dense ids, oldest first, unknown items dropped.
        times: Unix seconds, parallel to `items`.
        baskets: ordinals, parallel to `items`, not decreasing.
        k: list length.
        barred: int64 ids that may not be returned.
        candidates: int64 ids that may be returned, None for all.
        ignored: keys that the catalogue does not have.
        notice: what the caller should know, or None.
    """

    items: Sequence[int]
    times: Sequence[int]
    baskets: Sequence[int]
    k: int
    barred: Ints
    candidates: Ints | None
    ignored: list[str]
    notice: str | None


class Answerer:
    """Answers requests from one bundle.

    Args:
        bundle: recommender, catalogue, users and lineage.
        digest: SHA-256 of the bundle as stored.
        bento: tag of the Bento it is packed in, None outside one.
    """

    def __init__(self, bundle: Bundle, digest: str, bento: str | None = None) -> None:
        self.bundle = bundle
        origin = bundle.lineage
        self.lineage = Lineage(
            bento=bento,
            run_id=origin.get("run_id"),
            snapshot=origin.get("snapshot"),
            generation=origin.get("generation"),
            family=bundle.recommender.family,
            bundle=digest,
        )

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {key: row for row, key in enumerate(self.bundle.user_keys)}

    def knows(self, request: RecommendRequest) -> bool:
        """Whether the request can be answered: by history always, by user where the bundle has the user."""
        return request.user is None or request.user in self._row_of

    def recommend(self, requests: Sequence[RecommendRequest]) -> list[RecommendResponse]:
        """Answer all of `requests`, in their order.

        Raises:
            UnknownUser: one of them names a user that the bundle does not know.
        """
        return self.answer([self.translate(request) for request in requests])

    def translate(self, request: RecommendRequest) -> Query:
        """The request in dense ids.

        Raises:
            UnknownUser: the bundle does not know the user.
        """
        query = self._of_user(request.user) if request.user is not None else self._of_history(request)
        barred = self._known(request.exclude)
        if request.exclude_seen:
            barred = np.union1d(barred, np.asarray(query.items, dtype=np.int64))
        named = [*query.ignored, *self._unknown(request.exclude), *self._unknown(request.allow or [])]
        return replace(
            query,
            k=request.k,
            barred=barred,
            candidates=None if request.allow is None else self._known(request.allow),
            ignored=list(dict.fromkeys(named)),
        )

    def answer(self, queries: Sequence[Query]) -> list[RecommendResponse]:
        """One model call for each list length that occurs; the answers in the order of `queries`."""
        answers: dict[int, RecommendResponse] = {}
        order = sorted(range(len(queries)), key=lambda index: queries[index].k)
        for k, group in groupby(order, key=lambda index: queries[index].k):
            rows = list(group)
            together = [queries[row] for row in rows]
            top = self.bundle.recommender.recommend(_histories(together), k, allowed=self._mask(together))
            for row, items, scores in zip(rows, top.items, top.scores, strict=True):
                answers[row] = self._response(queries[row], items, scores)
        return [answers[row] for row in range(len(queries))]

    def _of_user(self, user: str) -> Query:
        if (row := self._row_of.get(user)) is None:
            raise UnknownUser(
                f"user must be one of the {len(self._row_of)} that the model was trained with, but got "
                f"{user!r}: send the items of this user as history."
            )
        own = self.bundle.histories.select(np.array([row]))
        notice = None if len(own) else EMPTY_HISTORY
        return _query(own.item.tolist(), own.time.tolist(), own.basket.tolist(), [], notice)

    def _of_history(self, request: RecommendRequest) -> Query:
        keys = request.history or []
        ids = self.bundle.catalogue.ids(keys).tolist()
        times = request.timestamps or range(len(keys))
        baskets = _ordinals(request.baskets) if request.baskets else range(len(keys))
        known = [place for place, item in enumerate(ids) if item >= 0]
        notice = None if known else UNKNOWN_HISTORY if keys else EMPTY_HISTORY
        return _query(
            [ids[place] for place in known],
            [times[place] for place in known],
            [baskets[place] for place in known],
            self._unknown(keys),
            notice,
        )

    def _known(self, keys: list[str]) -> Ints:
        ids = self.bundle.catalogue.ids(keys)
        return ids[ids >= 0]

    def _unknown(self, keys: list[str]) -> list[str]:
        return [key for key in keys if key not in self.bundle.catalogue.id_of]

    def _mask(self, queries: list[Query]) -> Mask | None:
        """Items that may be returned: bool [B, I], None where every query allows everything."""
        if all(query.candidates is None and not len(query.barred) for query in queries):
            return None
        allowed = np.ones((len(queries), len(self.bundle.catalogue)), dtype=np.bool_)
        for row, query in zip(allowed, queries, strict=True):
            if query.candidates is not None:
                row[:] = False
                row[query.candidates] = True
            row[query.barred] = False
        return allowed

    def _response(self, query: Query, items: Ints, scores: Floats) -> RecommendResponse:
        catalogue = self.bundle.catalogue
        listed = [
            RecommendedItem.model_construct(
                item=catalogue.keys[item], title=catalogue.titles[item], score=score, rank=rank
            )
            for rank, (item, score) in enumerate(zip(items.tolist(), scores.tolist(), strict=True))
            if item != NO_ITEM
        ]
        return RecommendResponse.model_construct(
            items=listed, lineage=self.lineage, ignored=query.ignored, notice=_notice(query, len(listed))
        )


def _query(
    items: Sequence[int],
    times: Sequence[int],
    baskets: Sequence[int],
    ignored: list[str],
    notice: str | None,
) -> Query:
    nothing = np.empty(0, dtype=np.int64)
    return Query(items, times, baskets, 1, nothing, None, ignored, notice)


def _histories(queries: list[Query]) -> Interactions:
    return Interactions.from_histories(
        [query.items for query in queries],
        [query.times for query in queries],
        [query.baskets for query in queries],
    )


def _ordinals(baskets: list[str]) -> list[int]:
    """Basket keys of one history, neighbours together, as 0, 0, 1, 2, 2..."""
    return [ordinal for ordinal, (_, events) in enumerate(groupby(baskets)) for _ in events]


def _notice(query: Query, n_listed: int) -> str | None:
    short = f"only {n_listed} of {query.k} items: no others are allowed" if n_listed < query.k else None
    return "; ".join(part for part in (query.notice, short) if part) or None
