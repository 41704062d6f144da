from decimal import Decimal

import polars as pl
import pytest

from data.errors import DataError
from data.normalise import normalise
from data.tables import Columns

COLUMNS = Columns(user_key="customer", item_key="sku", timestamp="at", basket_key="order", weight="qty")
EVENTS = {
    "customer": ["ann", "ann", "bob"],
    "sku": [7, 8, 7],
    "at": [100, 100, 50],
    "order": [1, 1, 2],
    "qty": [1, 2, 1],
    "colour": ["red", "red", "blue"],
}
ITEMS = {"sku": [7, 8, 9], "name": ["tea", "milk", "salt"]}


def tables(events=None, items=None, columns=COLUMNS, text_fields=("name",)):
    return normalise(
        pl.DataFrame(EVENTS | (events or {})),
        pl.DataFrame(ITEMS | (items or {})),
        columns,
        text_fields=text_fields,
        source="a shop",
        events_from="events.csv",
        items_from="items.csv",
    )


def refused(**changes):
    with pytest.raises(DataError) as error:
        tables(**changes)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_mapped_columns_get_our_names_and_types():
    result = tables()
    assert result.interactions.schema == {
        "user_key": pl.String,
        "item_key": pl.String,
        "timestamp": pl.Int64,
        "position": pl.Int64,
        "basket_key": pl.String,
        "weight": pl.Float64,
    }
    assert result.interactions.row(1) == ("ann", "8", 100, 1, "1", 2.0)
    assert result.items.columns == ["item_key", "name"]
    assert result.items["item_key"].to_list() == ["7", "8", "9"]
    assert (result.source, result.text_fields) == ("a shop", ("name",))


def test_rows_keep_their_order_as_position_unless_a_column_gives_it():
    assert tables().interactions["position"].to_list() == [0, 1, 2]
    columns = COLUMNS.model_copy(update={"position": "qty"})
    assert tables(columns=columns).interactions["position"].to_list() == [1, 2, 1]


def test_the_item_table_may_call_its_key_otherwise():
    columns = COLUMNS.model_copy(update={"item_table_key": "id"})
    items = pl.DataFrame({"id": ["7", "8"], "name": ["tea", "milk"]})
    result = normalise(pl.DataFrame(EVENTS), items, columns, source="s", events_from="e", items_from="i")
    assert result.items.columns == ["item_key", "name"]


def test_a_missing_column_is_named_beside_those_that_are_there():
    columns = COLUMNS.model_copy(update={"user_key": "client"})
    assert refused(columns=columns).startswith(
        "events.csv: column 'client' must be there, but got 1 missing; there are customer, sku, at"
    )


def test_a_missing_text_field_is_named():
    assert "items.csv: column 'title' must be there" in refused(text_fields=("title",))


@pytest.mark.parametrize("name", ["customer", "sku", "at", "order"])
def test_a_null_in_a_key_or_time_is_refused(name):
    message = refused(events={name: [EVENTS[name][0], None, EVENTS[name][2]]})
    assert f"events.csv: column '{name}' must not be null, but got 1 of 3 rows" in message
    assert "e.g. row 1:" in message


def test_keys_with_a_point_are_refused():
    message = refused(events={"sku": [7.0, 8.0, 7.0]})
    assert "column 'sku' must hold text or integers, but got type Float64, e.g. 7.0" in message


def test_a_weight_that_is_no_number_is_refused():
    message = refused(events={"qty": ["1", "two", "3"]})
    assert "column 'qty' must hold numbers, but got 1 of 3 rows of type String, e.g. 'two'" in message


def test_decimals_are_numbers():
    assert tables(events={"qty": [Decimal("1.5")] * 3}).interactions["weight"].to_list() == [1.5] * 3


def test_an_unparsable_time_is_refused():
    assert "e.g. 'soon'" in refused(events={"at": ["2017-12-01", "soon", "2017-12-02"]})


def test_a_repeated_event_is_refused():
    message = refused(events={"sku": [7, 7, 7], "qty": [2, 2, 2]})
    assert "each event must be there once, but got 2 of 3 rows equal to another" in message
    assert "user_key='ann', item_key='7', timestamp=100" in message


def test_events_that_differ_in_a_mapped_column_are_not_the_same():
    assert tables(events={"sku": [7, 7, 7]}).interactions.height == 3  # quantities 1 and 2


def test_an_event_on_an_unknown_item_is_refused():
    message = refused(events={"sku": [7, 70, 70], "at": [1, 2, 3]})
    assert "each item of an event must be in the item table (items.csv)" in message
    assert "2 of 3 events on 1 unknown items, e.g. '70'" in message


def test_a_repeated_item_is_refused():
    message = refused(items={"sku": [7, 8, 8]})
    assert message.startswith("items.csv: each sku must have one row in the item table, but got 2 rows")


@pytest.mark.parametrize("which", ["event", "item"])
def test_an_empty_table_is_refused(which):
    events, items = pl.DataFrame(EVENTS), pl.DataFrame(ITEMS)
    with pytest.raises(DataError, match=f"the {which} table must have rows, but got 0 rows"):
        normalise(
            events.clear() if which == "event" else events,
            items.clear() if which == "item" else items,
            COLUMNS,
            source="s",
            events_from="e",
            items_from="i",
        )


def test_two_candidates_for_the_key_of_an_item_are_refused():
    assert "one column of the item table may be the item_key" in refused(items={"item_key": [1, 2, 3]})
