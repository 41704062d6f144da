"""Check: whether a list that goes out holds only what its request allows; does not rest on the masks."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from serving.door.schemas import (
    CompleteRequest,
    ListRules,
    RecommendRequest,
    RecommendResponse,
    SimilarRequest,
)
from serving.metrics import Metrics

if TYPE_CHECKING:  # the supervisor process imports this file too and needs no torch
    from serving.answers.answerer import Answerer

logger = logging.getLogger(__name__)


def checked(
    request: ListRules,
    response: RecommendResponse,
    answerer: "Answerer",
    metrics: Metrics,
    history: Sequence[int] = (),
) -> RecommendResponse:
    """The response without what it may not hold, which is counted; there is never anything.

    Args:
        request: as it came.
        response: as it was made.
        answerer: that made it.
        metrics: told what was taken out.
        history: ids of the items that the user had.
    """
    found = forbidden(request, response, answerer, history)
    if not found:
        return response
    logger.error("event=forbidden_items_served items=%s", sorted(found))
    metrics.forbidden(len(found))
    return without(response, found)


def forbidden(
    request: ListRules, response: RecommendResponse, answerer: "Answerer", history: Sequence[int] = ()
) -> set[str]:
    """Keys of the list that may not be in it, by the request's own words and the shop's; see `checked`."""
    catalogue, said = answerer.bundle.catalogue, answerer.availability
    listed = {each.item for each in response.items}
    found = {key for key in listed if key not in catalogue.id_of} | (listed & said.hidden)
    found |= listed.intersection(request.exclude)
    if request.allow is not None:
        found |= listed.difference(request.allow)
    found |= listed & _own(request)
    if isinstance(request, RecommendRequest) and request.exclude_seen:
        seen = set(history)
        found |= {key for key in listed - found if catalogue.id_of[key] in seen}
    if request.filters or request.in_stock:
        left = sorted(listed - found)
        rows = catalogue.frame[catalogue.ids(left)].to_dicts()
        found |= {
            key for key, row in zip(left, rows, strict=True) if not _fits(row, request, said.stock, key)
        }
    return found


def without(response: RecommendResponse, keys: set[str]) -> RecommendResponse:
    """The response without some items, ranked anew."""
    left = [each for each in response.items if each.item not in keys]
    ranked = [each.model_copy(update={"rank": rank}) for rank, each in enumerate(left)]
    return response.model_copy(update={"items": ranked})


def _own(request: ListRules) -> set[str]:
    """Items that the request itself names and does not want back."""
    if isinstance(request, SimilarRequest):
        return {request.item}
    if isinstance(request, CompleteRequest):
        return set(request.basket)
    wants_none = isinstance(request, RecommendRequest) and request.exclude_seen
    return set(request.history or []) if wants_none else set()  # type: ignore[attr-defined]


def _fits(row: Mapping[str, Any], request: ListRules, stock: Mapping[str, bool], key: str) -> bool:
    """Whether an item's fields are what the request asks for."""
    if request.in_stock and not stock.get(key, row.get("in_stock") is not False):
        return False
    return all(_words(row[name]) & set(values) for name, values in request.filters.items())


def _words(value: Any) -> set[str]:
    """The values of a cell as text, as filters name them."""
    if isinstance(value, list):
        return {word for part in value for word in _words(part)}
    if value is None:
        return set()
    return {str(value).lower() if isinstance(value, bool) else str(value)}
