import datetime as dt

import polars as pl
import pytest

from data.content_hash import content_hash

FRAME = pl.DataFrame({"key": ["ä", None, "ccc", ""], "n": [1, 2, None, 4], "x": [0.5, 1.0, 2.0, None]})


def test_the_hash_is_the_same_on_every_machine():
    # a change of this value renames every snapshot that users have: only with a new FORMAT_VERSION
    assert content_hash(FRAME) == "b8d360eb41c83ffc6f7b85942e13a5e636a6b5a4db49cb0bb555ed72a4ff109b"


def test_how_a_frame_is_held_in_memory_does_not_count():
    chunks = pl.concat([FRAME[:1], FRAME[1:]], rechunk=False)
    slices = pl.concat([FRAME, FRAME])[2:6].select("x", "key", "n")
    rotated = pl.concat([FRAME[2:], FRAME[:2]])
    assert content_hash(chunks) == content_hash(FRAME)
    assert content_hash(slices) == content_hash(rotated)
    assert content_hash(FRAME.cast({"key": pl.Categorical})) == content_hash(FRAME)


@pytest.mark.parametrize(
    "changed",
    [
        FRAME.with_columns(key=pl.Series(["ä", "", "ccc", ""])),  # a null is not an empty text
        FRAME.with_columns(key=pl.Series(["äc", None, "cc", ""])),  # same bytes, other borders
        FRAME.with_columns(n=pl.Series([1, 2, 0, 4])),  # a null is not a zero
        FRAME.rename({"n": "m"}),
        FRAME[::-1],
        FRAME[:3],
    ],
)
def test_every_change_of_content_counts(changed):
    assert content_hash(changed) != content_hash(FRAME)


def test_columns_can_be_left_out():
    assert content_hash(FRAME, leave_out=("n", "x")) == content_hash(FRAME.select("key"))


def test_fields_of_any_type_have_a_hash():
    frame = pl.DataFrame(
        {
            "day": [dt.date(2017, 12, 1)],
            "moment": [dt.datetime(2017, 12, 1, tzinfo=dt.UTC)],
            "tags": [["a", "b"]],
            "on": [True],
            "raw": [b"\x00"],
            "nothing": [None],
            "price": pl.Series(["1.50"]).cast(pl.Decimal(10, 2)),
        }
    )
    hashes = {content_hash(frame.select(name)) for name in frame.columns}
    assert len(hashes) == len(frame.columns)


def test_an_empty_frame_has_a_hash():
    assert content_hash(FRAME.clear()) != content_hash(pl.DataFrame())
