from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import DataError
from data.timestamps import to_unix_seconds

NOON = 1_512_129_600  # 2017-12-01 12:00:00 UTC: 17501 days * 86400 + 43200
MIDNIGHT = NOON - 43_200


def seconds(values, **series):
    return to_unix_seconds(pl.Series("when", values, **series), where="x.csv").to_list()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2017-12-01T12:00:00Z", NOON),
        ("2017-12-01 12:00:00", NOON),  # no zone: UTC
        ("2017-12-01T12:00:00+02:00", NOON - 7_200),
        ("2017-12-01T12:00:00.999", NOON),
        ("2017-12-01 12:00", NOON),
        ("2017-12-01", MIDNIGHT),
        (" 1512129600 ", NOON),
        ("1512129600.5", NOON),
    ],
)
def test_text_is_read_as_iso_or_seconds(text, expected):
    assert seconds([text]) == [expected]


def test_one_column_may_mix_forms():
    assert seconds(["2017-12-01", "2017-12-01T12:00:00Z", "2017-12-01 12:00:00"]) == [MIDNIGHT, NOON, NOON]


def test_numbers_dates_and_datetimes_are_read():
    assert seconds([NOON]) == [NOON]
    assert seconds([NOON + 0.9]) == [NOON]
    assert seconds([date(2017, 12, 1)]) == [MIDNIGHT]
    assert seconds([datetime(2017, 12, 1, 12)]) == [NOON]
    assert seconds([datetime(2017, 12, 1, 12, tzinfo=UTC)]) == [NOON]


def test_a_zone_is_respected():
    berlin = datetime(2017, 12, 1, 13, tzinfo=timezone(timedelta(hours=1)))
    assert seconds([berlin]) == [NOON]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["yesterday", "2017-12-01"], "1 of 2 rows that are none, e.g. 'yesterday'"),
        (["2017-12-01", "2017-13-01"], "1 of 2 rows that are none, e.g. '2017-13-01'"),
        (["01/02/2017"], "1 of 1 rows that are none, e.g. '01/02/2017'"),  # whose month is it?
        ([float("nan"), 1.0], "1 of 2 rows that are none, e.g. nan"),
        ([True], "type Boolean"),
        ([NOON * 1000, NOON], "1 of 2 rows after it, e.g. 1512129600000: divide by 1000"),
    ],
)
def test_what_is_no_time_is_refused(values, message):
    with pytest.raises(DataError, match=r"x\.csv: column 'when' must hold times") as error:
        seconds(values)
    assert message in str(error.value)


@given(st.integers(min_value=0, max_value=4_000_000_000))
def test_a_time_survives_its_text(moment):
    text = datetime.fromtimestamp(moment, UTC).isoformat()
    assert seconds([text]) == [moment]
