import numpy as np
import polars as pl
import pytest

from data.catalogue import Catalogue
from data.interactions import Interactions
from data.split import COLD, Protocol, Window
from validation.evaluation.target_slices import SliceConfig, target_slices

AISLE = ["tea", "tea", "jam", "jam", None, "rice"]
KEYS = [f"i{place}" for place in range(6)]


def window(frame=None):
    # events of the items 0 to 5: 8, 5, 3, 2, 1, 1; a fifth of 20 is 4, so items 3, 4 and 5 are the tail
    return Window(
        name="test",
        protocol=Protocol(split="time", cutoff=100, until=None, target="first basket"),
        train=Interactions.from_histories([[0] * 8 + [3], [1] * 5 + [2] * 3, [3, 4, 5], []]),
        user_keys=["ann", "bo", "cy", "dee"],
        catalogue=Catalogue(pl.DataFrame({"item_key": KEYS, "aisle": AISLE} if frame is None else frame)),
        query_users=np.array([0, 1, 2, 3]),
        target=np.array([3, 0, 2, 3, 1, 4, COLD, 5, COLD]),
        target_offsets=np.array([0, 2, 5, 8, 9]),
    )


def names_of(mask):
    return [key for key, inside in zip(["ann", "bo", "cy", "dee"], mask, strict=True) if inside]


def test_groups_by_hand():
    # ann wants 3 and 0, both had; bo 2 and 1, both had, and 3; cy 4 and 5, both had, and a cold one; dee cold
    found = {name: names_of(mask) for name, mask in target_slices(window(), SliceConfig()).items()}
    assert found == {
        "repeats": ["ann", "bo", "cy"],
        "long tail": ["cy"],  # one of ann's two is not most of them
        "aisle jam": ["ann", "bo"],  # ann's tie of jam and tea goes to the first
        "aisle rice": ["cy"],  # an item without an aisle has no say
    }


# items from the rarest on: 4, 5, 3, 2, 1, 0 with 1, 1, 2, 3, 5, 8 of 20 events
@pytest.mark.parametrize(("share", "who"), [(0.06, []), (0.1, ["cy"]), (0.24, ["cy"]), (0.39, ["bo", "cy"])])
def test_the_tail_grows_with_its_share(share, who):
    assert names_of(target_slices(window(), SliceConfig(tail_share=share))["long tail"]) == who


def test_only_the_categories_wanted_most_get_a_group():
    found = target_slices(window(), SliceConfig(categories=1))
    assert [name for name in found if name.startswith("aisle")] == ["aisle jam"]


def test_without_a_column_that_reads_as_a_category_there_is_none():
    plain = {"item_key": KEYS, "price": [1.0] * 6, "same": ["a"] * 6}
    assert set(target_slices(window(plain), SliceConfig())) == {"repeats", "long tail"}


def test_a_column_that_is_not_there_is_refused_by_name():
    with pytest.raises(ValueError, match=r"got 'brand': choose one of item_key, aisle"):
        target_slices(window(), SliceConfig(category="brand"))
