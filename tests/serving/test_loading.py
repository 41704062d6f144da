"""A model is proven before anybody is answered."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from models.baselines.popularity import Popularity, PopularityConfig
from models.bundle import Bundle, save
from serving.loading import load, prove
from serving.place import Place


def place(folder: Path) -> Place:
    return Place(folder, folder / "no-lineage.json", None)


def test_a_whole_bundle_is_loaded(bundle_folder: Path) -> None:
    assert load(place(bundle_folder)).lineage.family == "popularity"


def test_a_model_that_lists_nothing_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    scores = np.full(5, np.nan, dtype=np.float32)
    save(replace(bundle, recommender=Popularity(PopularityConfig(), scores)), tmp_path / "broken")
    with pytest.raises(ValueError, match=r"a model must list items once each, alone as in a batch"):
        load(place(tmp_path / "broken"))


Lines = list[tuple[str, float]]


@pytest.mark.parametrize(
    ("alone", "together"),
    [
        ([("10", 1.0), ("10", 0.5)], [("10", 1.0), ("10", 0.5)]),
        ([("10", math.nan)], [("10", math.nan)]),
        ([("10", 1.0), ("11", 0.5)], [("11", 1.0), ("10", 0.5)]),
    ],
)
def test_what_is_no_list_is_refused(bundle: Bundle, alone: Lines, together: Lines) -> None:
    def recommend(requests: list[object]) -> list[object]:
        lines = alone if len(requests) == 1 else together
        items = [SimpleNamespace(item=item, score=score) for item, score in lines]
        return [SimpleNamespace(items=items) for _ in requests]

    with pytest.raises(ValueError, match=r"a model must list items once each"):
        prove(
            SimpleNamespace(  # type: ignore[arg-type]
                bundle=bundle,
                recommend=recommend,
                without=SimpleNamespace(warm_up=lambda: None),
                explainer=None,
            )
        )
