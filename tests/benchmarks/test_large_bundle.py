"""The large bundle is one that a service takes: it loads, answers, and takes on new items."""

from pathlib import Path

from benchmarks.large_bundle import make
from models.bundle import digest, load
from serving.answers.answerer import Answerer
from serving.catalogue.build import build
from serving.catalogue.edits import Edits
from serving.catalogue.schemas import CatalogueChange
from serving.door.schemas import RecommendRequest


def test_a_bundle_of_as_many_items_as_asked_for_loads_answers_and_grows(tmp_path: Path) -> None:
    made = make(700, tmp_path / "bundle", n_users=20, beam=50)
    loaded = load(tmp_path / "bundle")
    assert loaded.recommender.config.beam == 50  # type: ignore[attr-defined]
    assert made == digest(tmp_path / "bundle")
    assert (len(loaded.catalogue), len(loaded.user_keys)) == (700, 20)
    assert loaded.items is not None
    assert loaded.items.table is loaded.recommender.codes  # type: ignore[attr-defined]  # held once
    answerer = Answerer(loaded, made)
    asked = RecommendRequest(history=["item-00000003", "item-00000600"], k=5)
    assert len(answerer.recommend([asked])[0].items) == 5
    new = CatalogueChange.model_validate({"items": [{"item": "new", "fields": {"title": "bada bebe"}}]})
    grown = build(answerer, Edits().after(new, loaded.catalogue.id_of), 1).answerer
    only = RecommendRequest(history=["item-00000003"], k=1, allow=["new"])
    assert [each.item for each in grown.recommend([only])[0].items] == ["new"]
