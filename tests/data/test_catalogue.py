"""A catalogue that changes: what it carries on is what it would make anew."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from data.catalogue import Catalogue

WORDS = st.one_of(st.none(), st.sampled_from(["", "tea", "oat", "b0"]))
ROW = st.fixed_dictionaries({"brand": WORDS, "title": WORDS})
CHANGES = st.dictionaries(st.sampled_from([f"i{number}" for number in range(9)]), ROW, max_size=6)


def test_a_title_is_the_last_two_filled_fields_else_the_key() -> None:
    rows = {
        "item_key": ["a", "b", "c"],
        "kind": ["x", None, ""],
        "brand": ["y", "b", None],
        "title": ["z", "b", None],
    }
    assert Catalogue(pl.DataFrame(rows), ("kind", "brand", "title")).titles.to_list() == ["y, z", "b", "c"]
    assert Catalogue(pl.DataFrame(rows)).titles.to_list() == ["a", "b", "c"]
    assert Catalogue(pl.DataFrame(schema={"item_key": pl.String})).titles.to_list() == []


@given(st.lists(ROW, min_size=1, max_size=5), CHANGES, CHANGES)
def test_keys_and_titles_that_are_carried_on_are_those_made_anew(rows: list, first: dict, then: dict) -> None:
    frame = pl.DataFrame(
        [{"item_key": f"i{number}", **row} for number, row in enumerate(rows)],
        schema={"item_key": pl.String, "brand": pl.String, "title": pl.String},
    )
    changed = Catalogue(frame, ("brand", "title")).with_fields(first).with_fields(then)
    anew = Catalogue(changed.frame, changed.text_fields)
    assert changed.keys == anew.keys
    assert changed.id_of == anew.id_of
    assert changed.titles.to_list() == anew.titles.to_list()
