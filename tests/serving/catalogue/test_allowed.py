"""Only what is allowed at that moment is returned: random catalogues, rules and models."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from serving.answers.answerer import Answerer
from serving.catalogue.build import build
from serving.catalogue.check import checked, forbidden, without
from serving.catalogue.edits import Edits
from serving.catalogue.schemas import CatalogueChange
from serving.door.schemas import CompleteRequest, ListRules, RecommendRequest, SimilarRequest
from serving.metrics import Metrics
from tests.serving.catalogue.conftest import KEYS, Open

NEW = [f"n{number}" for number in range(5)]
ANY = [*KEYS, *NEW, "zz"]
MODELS = ["popularity", "item-knn", "trie-pointer", "beam"]

some = st.lists(st.sampled_from(ANY), max_size=8)
rules: dict[str, Any] = {
    "k": st.integers(1, 6),
    "exclude": some,
    "allow": st.none() | st.lists(st.sampled_from(ANY), min_size=1, max_size=6),
    "in_stock": st.booleans(),
    "filters": st.just({}) | st.just({"brand": ["b0", "b1"]}),
}
recommend = st.builds(
    RecommendRequest, history=some, exclude_seen=st.booleans(), diversity=st.sampled_from([0.0, 0.5]), **rules
)
similar = st.builds(SimilarRequest, item=st.sampled_from(KEYS), **rules)
complete = st.builds(CompleteRequest, basket=st.lists(st.sampled_from(ANY), min_size=1, max_size=4), **rules)


@st.composite
def catalogues(draw: st.DrawFn) -> tuple[Edits, dict[str, str], set[str], set[str]]:
    """Edits, and what they come to: brands of all items, what is hidden, what is out of stock."""
    added = draw(st.lists(st.sampled_from(NEW), unique=True))
    hidden = draw(st.sets(st.sampled_from([*KEYS, *added]), max_size=20))
    missing = draw(st.sets(st.sampled_from([*KEYS, *added]), min_size=1, max_size=20))
    brands = {f"i{number}": f"b{number % 3}" for number in range(20)} | dict.fromkeys(added, "b1")
    new = [{"item": key, "fields": {"title": f"milk fresh {key}", "brand": "b1"}} for key in added]
    gone = [{"item": key, "hidden": True} for key in hidden]
    sold = [{"item": key, "in_stock": False} for key in missing]
    return edits(new, gone, sold), brands, hidden, missing


def edits(*changes: Iterable[dict[str, Any]]) -> Edits:
    now = Edits()
    for items in changes:
        if items:
            now = now.after(CatalogueChange.model_validate({"items": list(items)}), dict.fromkeys(KEYS))
    return now


def allowed_by(request: ListRules, brands: dict[str, str], hidden: set[str], missing: set[str]) -> set[str]:
    """Said once more, in the plainest way."""
    allowed = brands.keys() - hidden - set(request.exclude)
    if request.allow is not None:
        allowed &= set(request.allow)
    if request.in_stock:
        allowed -= missing
    if request.filters:
        allowed = {key for key in allowed if brands[key] in request.filters["brand"]}
    if isinstance(request, RecommendRequest) and request.exclude_seen:
        allowed -= set(request.history or [])
    if isinstance(request, SimilarRequest):
        allowed -= {request.item}
    if isinstance(request, CompleteRequest):
        allowed -= set(request.basket)
    return set(allowed)


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=60)
@given(catalogues(), st.lists(recommend, min_size=1, max_size=4))
def test_a_list_holds_allowed_items_only_and_as_many_as_there_are(
    opened: Open, model: str, catalogue: Any, requests: list[RecommendRequest]
) -> None:
    changed, *rest = catalogue
    now = build(opened(model), changed, 3).answerer
    for request, response in zip(requests, now.recommend(requests), strict=True):
        allowed = allowed_by(request, *rest)
        listed = [each.item for each in response.items]
        assert set(listed) <= allowed
        assert len(listed) == len(set(listed)) == min(request.k, len(allowed))
        assert response.catalogue == 3
        assert not forbidden(request, response, now, now.translate(request).past.items)
        late = now.without.instead_of(now.translate(request))
        assert {each.item for each in late.items} <= allowed
        assert late.catalogue == 3


@settings(max_examples=60)
@given(catalogues(), similar, complete)
def test_what_is_similar_or_completes_a_basket_is_allowed_too(
    opened: Open, catalogue: Any, alike: SimilarRequest, basket: CompleteRequest
) -> None:
    changed, *rest = catalogue
    now = build(opened("popularity"), changed, 3).answerer
    for request, response in ((alike, now.without.similar(alike)), (basket, now.without.complete(basket))):
        assert {each.item for each in response.items} <= allowed_by(request, *rest)
        assert not forbidden(request, response, now)


def test_the_check_finds_each_kind_of_forbidden_item_and_takes_it_out(opened: Open) -> None:
    base = opened("popularity")
    now = build(
        base, edits([{"item": "i3", "hidden": True}], [{"item": "i6", "in_stock": False}]), 1
    ).answerer
    free = RecommendRequest(history=["i4"], k=20)
    response = base.recommend([free])[0]  # everything, i3 too
    of_b0 = {f"i{number}" for number in range(0, 20, 3)}
    kinds: list[tuple[ListRules, set[str]]] = [
        (free, {"i3"}),
        (free.model_copy(update={"exclude": ["i5"]}), {"i3", "i5"}),
        (free.model_copy(update={"exclude_seen": True}), {"i3", "i4"}),
        (free.model_copy(update={"allow": ["i1", "i2", "i3"]}), {*KEYS} - {"i1", "i2"}),
        (free.model_copy(update={"in_stock": True}), {"i3", "i6"}),
        (free.model_copy(update={"filters": {"brand": ["b0"]}}), ({*KEYS} - of_b0) | {"i3"}),
        (SimilarRequest(item="i7"), {"i3", "i7"}),
        (CompleteRequest(basket=["i8", "i9"]), {"i3", "i8", "i9"}),
    ]
    for request, found in kinds:
        assert forbidden(request, response, now, [4]) == found
        left = without(response, found)
        assert {each.item for each in left.items} == {*KEYS} - found
        assert [each.rank for each in left.items] == list(range(len(left.items)))
        assert forbidden(request, left, now, [4]) == set()


def test_what_is_found_is_taken_out_and_counted(opened: Open) -> None:
    base, registry = opened("popularity"), CollectorRegistry()
    now = build(base, edits([{"item": "i3", "hidden": True}]), 1).answerer
    request, metrics = RecommendRequest(history=[], k=20), Metrics(registry)
    for answerer in (now, base):  # of which the base still has i3
        assert len(checked(request, answerer.recommend([request])[0], now, metrics).items) == 19
    assert registry.get_sample_value("encore_forbidden_items_served_total") == 1


def test_a_user_that_the_model_knows_has_seen_what_the_bundle_says(opened: Open) -> None:
    now: Answerer = opened("popularity")
    request = RecommendRequest(user="u00", exclude_seen=True, k=20)
    everything = now.recommend([request.model_copy(update={"exclude_seen": False})])[0]
    assert forbidden(request, everything, now, now.translate(request).past.items) == set(KEYS[:8])
