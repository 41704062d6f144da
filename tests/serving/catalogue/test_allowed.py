"""Only what is allowed at that moment is returned: random catalogues, rules and models."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.catalogue.build import build
from serving.catalogue.check import forbidden, without
from serving.catalogue.edits import Edits
from serving.catalogue.schemas import CatalogueChange
from serving.door.schemas import RecommendRequest
from serving.trial.arm import Answered
from tests.serving.catalogue.conftest import KEYS, Open

NEW = [f"n{number}" for number in range(5)]
ANY = [*KEYS, *NEW, "zz"]
MODELS = ["popularity", "item-knn", "trie-pointer", "beam"]

some = st.lists(st.sampled_from(ANY), max_size=8)
added = st.lists(st.sampled_from(NEW), unique=True, max_size=5)
hidden = st.sets(st.sampled_from([*KEYS, *NEW]), max_size=20)
requests = st.builds(
    RecommendRequest,
    history=some,
    k=st.integers(1, 6),
    exclude=some,
    exclude_seen=st.booleans(),
    allow=st.none() | st.lists(st.sampled_from(ANY), min_size=1, max_size=6),
)


def edits(added: list[str], hidden: set[str], known: dict[str, int]) -> Edits:
    new: list[dict[str, Any]] = [{"item": key, "fields": {"title": f"milk fresh {key}"}} for key in added]
    gone = [{"item": key, "hidden": True} for key in hidden]
    now = Edits()
    for items in (new, gone):
        if items:
            now = now.after(CatalogueChange.model_validate({"items": items}), known)
    return now


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=60, deadline=None)
@given(st.data(), added, hidden, st.lists(requests, min_size=1, max_size=4))
def test_a_list_holds_allowed_items_only_and_as_many_as_there_are(
    opened: Open, model: str, data: Any, added: list[str], hidden: set[str], requests: list[RecommendRequest]
) -> None:
    base = opened(model)
    now = build(base, edits(added, hidden, base.bundle.catalogue.id_of), 3).answerer
    there = {*KEYS, *added}
    for request, response in zip(requests, now.recommend(requests), strict=True):
        allowed = there - hidden - set(request.exclude)
        if request.allow is not None:
            allowed &= set(request.allow)
        if request.exclude_seen:
            allowed -= set(request.history or [])
        listed = [each.item for each in response.items]
        assert set(listed) <= allowed
        assert len(listed) == len(set(listed)) == min(request.k, len(allowed))
        assert response.catalogue == 3
        assert not forbidden(request, response, now.translate(request))


def test_the_check_finds_each_kind_of_forbidden_item_and_takes_it_out(opened: Open) -> None:
    base = opened("popularity")
    now = build(base, edits([], {"i3"}, base.bundle.catalogue.id_of), 1).answerer
    free = RecommendRequest(history=["i4"], k=10)
    response = base.recommend([free.model_copy(update={"k": 20})])[0]  # everything, i3 too
    for rules, found in (
        ({}, {"i3"}),
        ({"exclude": ["i5"]}, {"i3", "i5"}),
        ({"exclude_seen": True}, {"i3", "i4"}),
        ({"allow": ["i1", "i2", "i3"]}, {*KEYS} - {"i1", "i2"}),
    ):
        request = free.model_copy(update=rules)
        query = now.translate(request)
        assert forbidden(request, response, query) == found
        left = without(Answered(request, response, query), found).response
        assert {each.item for each in left.items} == {*KEYS} - found
        assert [each.rank for each in left.items] == list(range(len(left.items)))
        assert forbidden(request, left, query) == set()


def test_a_user_that_the_model_knows_has_seen_what_the_bundle_says(opened: Open) -> None:
    now = opened("popularity")
    request = RecommendRequest(user="u00", exclude_seen=True, k=20)
    everything = now.recommend([request.model_copy(update={"exclude_seen": False})])[0]
    assert forbidden(request, everything, now.translate(request)) == set(KEYS[:8])
