"""Versions: what a change does at once, what it leaves alone, and what undoes it."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from data.interactions import Interactions
from models.bundle import Bundle
from serving.answers.answerer import Answerer, answer_all
from serving.catalogue.again import at_version
from serving.catalogue.journal import NAME, Journal
from serving.catalogue.live import LiveCatalogue
from serving.catalogue.schemas import CatalogueChange, CatalogueState
from serving.catalogue.steps import CannotRevert
from serving.door.schemas import CompleteRequest, RecommendRequest, SimilarRequest
from serving.metrics import Metrics
from tests.serving.catalogue.conftest import DIGEST, KEYS, Open, Shop

CODED = ["trie-pointer", "beam", "popularity", "item-knn"]
OAT = {"item": "oat", "fields": {"title": "milk fresh oat", "brand": "b1"}}


def live(base: Answerer, journal: Journal | None = None, **more: Answerer) -> LiveCatalogue:
    return LiveCatalogue({"champion": base, **more}, journal, Metrics(CollectorRegistry()))  # type: ignore[dict-item]


def change(*items: dict[str, Any]) -> CatalogueChange:
    return CatalogueChange.model_validate({"items": list(items)})


def put(catalogue: LiveCatalogue, *items: dict[str, Any]) -> CatalogueState:
    return asyncio.run(catalogue.change(change(*items)))


def revert(catalogue: LiveCatalogue, to: int | None = None) -> CatalogueState:
    return asyncio.run(catalogue.revert(to))


def listed(catalogue: LiveCatalogue, **request: Any) -> list[str]:
    asked = RecommendRequest.model_validate({"history": ["i0"], "k": 10, **request})
    return [each.item for each in catalogue.seat("champion").current.recommend([asked])[0].items]


def test_a_change_that_nobody_waits_for_any_more_is_made_whole(opened: Open, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    catalogue = live(opened("popularity"), journal)

    async def cut_off() -> CatalogueState:
        asked = asyncio.create_task(catalogue.change(change(OAT)))
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        return await catalogue.change(change({"item": "i1", "hidden": True}))

    state = asyncio.run(cut_off())
    assert (state.version, state.items, state.hidden) == (2, 21, 1)
    assert [line.version for line in journal.lines()] == [1, 2]


@pytest.mark.parametrize("family", CODED)
def test_a_new_item_can_be_recommended_at_once_and_be_in_a_history(family: str, opened: Open) -> None:
    catalogue = live(opened(family))
    assert listed(catalogue, allow=["oat"]) == []
    state = put(catalogue, OAT)
    assert (state.version, state.items, state.added, state.changed, state.hidden) == (1, 21, 1, 0, 0)
    (answer,) = catalogue.seat("champion").current.recommend(
        [RecommendRequest(history=["oat", "i1"], allow=["oat"], k=1)]
    )
    assert [(each.item, each.title) for each in answer.items] == [("oat", "b1, milk fresh oat")]
    assert (answer.catalogue, answer.ignored) == (1, [])


def test_a_new_item_is_coded_like_those_that_it_resembles(opened: Open) -> None:
    catalogue = live(opened("trie-pointer"))
    put(catalogue, {"item": "twin", "fields": {"title": "milk fresh 0", "brand": "b0"}})
    codes = catalogue.current.arms["champion"].answerer.bundle.items
    assert codes is not None
    assert codes.table.semantic[20].tolist() == codes.table.semantic[0].tolist()  # i0 is "milk fresh 0" of b0
    assert codes.vectors[20] == pytest.approx(codes.vectors[0], abs=1e-5)


def test_a_changed_title_is_shown_at_once_and_moves_no_code_and_no_list(opened: Open) -> None:
    base = opened("trie-pointer")
    catalogue = live(base)
    put(catalogue, OAT)
    before = catalogue.current.arms["champion"].answerer
    put(
        catalogue,
        {"item": "i0", "fields": {"title": "salt sea"}},
        {"item": "oat", "fields": {"title": "tea"}},
    )
    after = catalogue.current.arms["champion"].answerer
    assert after.bundle.catalogue.titles[0] == "b0, salt sea"
    assert after.bundle.catalogue.titles[20] == "b1, tea"
    assert after.bundle.items is not None
    assert before.bundle.items is not None
    assert np.array_equal(after.bundle.items.table.codes, before.bundle.items.table.codes)
    asked = [RecommendRequest(history=["i3"], k=21)]
    scores = [[each.score for each in one.recommend(asked)[0].items] for one in (before, after)]
    assert scores[0] == scores[1]


def test_a_hidden_item_is_gone_and_comes_back(opened: Open) -> None:
    catalogue = live(opened("popularity"))
    assert "i3" in listed(catalogue, k=20)
    state = put(catalogue, {"item": "i3", "hidden": True}, {"item": "i4", "in_stock": False})
    assert (state.hidden, state.out_of_stock) == (1, 1)
    assert "i3" not in listed(catalogue, k=20)
    assert listed(catalogue, allow=["i3"]) == []
    assert "i4" in listed(catalogue, k=20)  # who does not ask for stock gets it
    assert set(listed(catalogue, k=20, in_stock=True)) == {*KEYS} - {"i3", "i4"}
    state = put(catalogue, {"item": "i3", "hidden": False}, {"item": "i4", "in_stock": True})
    assert (state.hidden, state.out_of_stock) == (0, 0)
    assert "i3" in listed(catalogue, k=20)


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([OAT, {"item": "i1", "fields": {"colour": "red"}}], "fields must be columns of the catalogue"),
        ([OAT, {"item": "i1", "fields": {"price": "dear"}}], "field 'price' holds Float64, but item 'i1'"),
        ([OAT, {"item": "zz", "hidden": True}], "an item that is new must come with a field that is filled"),
        ([OAT, {"item": "zz", "fields": {"title": ""}}], "an item that is new must come with a field"),
    ],
)
def test_a_change_is_applied_whole_or_not_at_all(
    opened: Open, tmp_path: Path, items: list[dict[str, Any]], said: str
) -> None:
    journal = Journal(tmp_path)
    catalogue = live(opened("popularity"), journal)
    with pytest.raises(ValueError, match=said):
        put(catalogue, *items)
    assert (catalogue.state().version, listed(catalogue, allow=["oat"])) == (0, [])
    assert list(journal.lines()) == []


def test_a_request_is_answered_by_the_version_that_translated_it(opened: Open) -> None:
    catalogue = live(opened("popularity"))
    request = RecommendRequest(history=[], k=3)
    early = catalogue.seat("champion").current.translate(request)
    best = listed(catalogue, k=1)[0]
    put(catalogue, {"item": best, "hidden": True})
    late = catalogue.seat("champion").current.translate(request)
    answers = answer_all([late, early, late])
    assert [each.catalogue for each in answers] == [1, 0, 1]
    assert [answer.items[0].item == best for answer in answers] == [False, True, False]


def test_reverts_go_back_step_by_step_and_to_a_number(opened: Open) -> None:
    catalogue = live(opened("trie-pointer"))
    first = catalogue.state()
    put(catalogue, OAT)
    second = put(catalogue, {"item": "i1", "hidden": True})
    back = revert(catalogue)  # undoes version 2
    assert (back.version, back.added, back.hidden) == (3, 1, 0)
    again = revert(catalogue)  # undoes version 1, which 3 is like
    assert (again.version, again.added, again.digest) == (4, 0, first.digest)
    assert listed(catalogue, allow=["oat"]) == []
    forth = revert(catalogue, 2)
    assert (forth.version, forth.added, forth.hidden, forth.digest) == (5, 1, 1, second.digest)
    assert [(act.what, act.to) for act in forth.history[3:]] == [("revert", 1), ("revert", 0), ("revert", 2)]
    with pytest.raises(CannotRevert, match=r"a revert goes to an earlier version that is kept .* got 99"):
        revert(catalogue, 99)


def test_there_is_nothing_before_the_bundle(opened: Open) -> None:
    with pytest.raises(CannotRevert, match="there is none before the present one"):
        revert(live(opened("popularity")))


def test_changes_outlive_the_process(opened: Open, tmp_path: Path) -> None:
    base, journal = opened("trie-pointer"), Journal(tmp_path)
    catalogue = live(base, journal)
    put(catalogue, OAT, {"item": "i2", "fields": {"price": None}})
    put(catalogue, {"item": "i1", "hidden": True})
    put(catalogue, {"item": "i5", "hidden": True})
    before = revert(catalogue)
    lists = [listed(catalogue, k=21, history=[key]) for key in KEYS]
    catalogue.close()
    again = live(base, Journal(tmp_path))
    assert again.state().model_dump(exclude={"history"}) == before.model_dump(exclude={"history"})
    assert again.state().history[1:] == before.history[1:]
    assert [listed(again, k=21, history=[key]) for key in KEYS] == lists
    assert again.seat("champion").current.bundle.catalogue.frame["price"].to_list()[2] is None
    assert revert(again).hidden == 0
    again.close()


def test_a_newer_bundle_that_knows_an_added_item_takes_the_change_as_one_of_its_fields(
    shop: Shop, opened: Open, tmp_path: Path
) -> None:
    journal = Journal(tmp_path)
    catalogue = live(opened("popularity"), journal)
    put(catalogue, OAT, {"item": "i19", "hidden": True})
    catalogue.close()
    old = shop("popularity")
    later = old.catalogue.with_fields({"oat": {"title": "oats of the retraining"}}).frame[1:]  # i0 has left
    frame = later.drop("brand")
    newer = replace(old, catalogue=replace(old.catalogue, frame=frame, text_fields=("title",)), items=None)
    again = live(Answerer(newer, "e" * 64), Journal(tmp_path))
    state = again.state()
    assert (state.items, state.added, state.changed, state.hidden) == (20, 0, 1, 1)
    answerer = again.seat("champion").current
    assert answerer.bundle.catalogue.titles[-1] == "milk fresh oat"
    assert answerer.bundle.recommender is newer.recommender
    again.close()


def test_a_bundle_without_an_encoder_refuses_new_items_and_hides_all_the_same(
    shop: Shop, tmp_path: Path
) -> None:
    old = shop("trie-pointer")
    assert old.items is not None
    bare = Answerer(replace(old, items=replace(old.items, encoder=None)), DIGEST)
    catalogue = live(bare)
    with pytest.raises(ValueError, match="1 new items cannot be added: new items need a bundle that carries"):
        put(catalogue, OAT)
    assert put(catalogue, {"item": "i1", "hidden": True}).hidden == 1


def test_changes_that_a_bundle_cannot_take_on_are_left_out_at_start_and_said(
    shop: Shop, opened: Open, tmp_path: Path
) -> None:
    catalogue = live(opened("trie-pointer"), Journal(tmp_path))
    put(catalogue, OAT, {"item": "i1", "hidden": True})
    catalogue.close()
    old = shop("trie-pointer")
    assert old.items is not None
    bare = Answerer(replace(old, items=replace(old.items, encoder=None)), DIGEST)
    again = live(bare, Journal(tmp_path))
    assert "i1" not in listed(again, k=20)
    arm = again.state().arms["champion"]
    assert (arm.items, arm.left_out) == (20, 1)
    assert arm.reason is not None
    assert "retrain once" in arm.reason
    again.close()


def test_an_encoder_that_is_not_installed_refuses_new_items_only(shop: Shop) -> None:
    class Missing:
        kind = "minilm"

        def encode(self, items: object) -> np.ndarray:
            raise ModuleNotFoundError("The MiniLM encoder needs the package 'transformers'")

    old = shop("trie-pointer")
    assert old.items is not None
    catalogue = live(Answerer(replace(old, items=replace(old.items, encoder=Missing())), DIGEST))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs the package 'transformers'"):
        put(catalogue, OAT)
    assert len(listed(catalogue)) == 10


def test_a_challenger_obeys_and_takes_new_items_where_it_can(opened: Open, shop: Shop) -> None:
    old = shop("trie-pointer")
    bare = Answerer(replace(old, items=None), "e" * 64)
    catalogue = live(opened("popularity"), None, challenger=bare)
    state = put(catalogue, OAT, {"item": "i1", "hidden": True})
    assert (state.arms["champion"].items, state.arms["challenger"].items) == (21, 20)
    assert state.arms["challenger"].left_out == 1
    theirs = catalogue.seat("challenger").current
    assert theirs.version == 1
    answer = theirs.recommend([RecommendRequest(history=["i0"], k=20)])[0]
    assert "i1" not in [each.item for each in answer.items]


def test_while_a_version_is_built_the_one_before_answers(opened: Open) -> None:
    catalogue = live(opened("trie-pointer"))

    async def both() -> list[int]:
        seen: list[int] = []
        task = asyncio.create_task(catalogue.change(change(OAT)))
        while not task.done():
            seen.append(catalogue.seat("champion").current.version)
            await asyncio.sleep(0)
        await task
        return [*seen, catalogue.seat("champion").current.version]

    seen = asyncio.run(both())
    assert seen[0] == 0
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_changes_that_come_together_are_made_one_after_another(opened: Open) -> None:
    catalogue = live(opened("popularity"))

    async def all_at_once() -> list[CatalogueState]:
        acts: list[Awaitable[CatalogueState]] = [
            catalogue.change(change({"item": key, "hidden": True})) for key in KEYS[:6]
        ]
        return list(await asyncio.gather(*acts))

    assert sorted(state.version for state in asyncio.run(all_at_once())) == [1, 2, 3, 4, 5, 6]
    assert catalogue.state().hidden == 6


def test_what_could_not_be_kept_does_not_answer(opened: Open, tmp_path: Path, monkeypatch: Any) -> None:
    journal = Journal(tmp_path)
    catalogue = live(opened("popularity"), journal)
    fail: Callable[..., None] = _full
    monkeypatch.setattr("serving.catalogue.journal.os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        put(catalogue, OAT)
    assert catalogue.state().version == 0
    assert (tmp_path / NAME).read_bytes() == b""


def _full(handle: int) -> None:
    raise OSError(28, "No space left on device")


def test_the_bundle_itself_is_left_as_it_was(opened: Open, events: Interactions, shop: Shop) -> None:
    packed: Bundle = shop("trie-pointer")
    catalogue = live(opened("trie-pointer"))
    put(catalogue, OAT)
    assert len(packed.catalogue) == 20
    assert packed.recommender.recommend(events.select(np.arange(2)), 20).items.max() == 19


def test_what_a_change_says_of_stock_is_believed_until_the_column_is_changed(shop: Shop) -> None:
    old = shop("popularity")
    frame = old.catalogue.frame.with_columns(in_stock=old.catalogue.frame["item_key"] != "i0")
    catalogue = live(Answerer(replace(old, catalogue=replace(old.catalogue, frame=frame)), DIGEST))
    assert "i0" not in listed(catalogue, k=20, in_stock=True)
    put(catalogue, {"item": "i0", "in_stock": True}, {"item": "i1", "in_stock": False})
    assert "i0" in (lists := listed(catalogue, k=20, in_stock=True))
    assert "i1" not in lists
    put(catalogue, {"item": "i1", "fields": {"in_stock": True}})
    assert "i1" in listed(catalogue, k=20, in_stock=True)


def test_what_is_counted_without_the_model_goes_on_with_new_items(opened: Open) -> None:
    catalogue = live(opened("popularity"))
    before = catalogue.seat("champion").current.without.complete(CompleteRequest(basket=["i3"], k=20))
    put(catalogue, OAT)
    now = catalogue.seat("champion").current.without
    after = now.complete(CompleteRequest(basket=["i3"], k=20, exclude=["oat"]))
    assert [each.item for each in after.items] == [each.item for each in before.items]
    assert [each.score for each in after.items] == [each.score for each in before.items]
    assert now.complete(CompleteRequest(basket=["oat"], k=3)).fallback == "no-basket"
    assert {each.title.split()[1] for each in now.similar(SimilarRequest(item="oat", k=2)).items} == {"milk"}


def test_models_of_versions_before_the_last_are_let_go(opened: Open) -> None:
    catalogue = live(opened("trie-pointer"))
    models: list[Any] = []
    for number in range(4):
        put(catalogue, {"item": f"new {number}", "fields": {"title": "milk fresh"}})
        models.append(weakref.ref(catalogue.seat("champion").current.bundle.recommender))
    assert [model() is not None for model in models] == [False, False, True, True]


def test_an_earlier_version_is_made_again_from_what_was_kept(opened: Open, tmp_path: Path) -> None:
    base = opened("trie-pointer")
    catalogue = live(base, Journal(tmp_path))
    asked = RecommendRequest(history=["i0", "oat"], k=21)
    then = {}
    for act in (
        lambda: put(catalogue, OAT),
        lambda: put(catalogue, {"item": "i1", "hidden": True}),
        lambda: revert(catalogue),
    ):
        version = act().version
        then[version] = catalogue.seat("champion").current.recommend([asked])[0]
    assert "i1" not in [each.item for each in then[2].items]
    for version, answer in then.items():
        again = at_version(base, tmp_path, version)
        assert again is not None
        assert again.recommend([asked])[0] == answer
    assert at_version(base, tmp_path, 4) is None
    assert at_version(base, tmp_path / "nowhere", 1) is None
