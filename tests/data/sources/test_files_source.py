import polars as pl
import pytest

from data.errors import DataError
from data.sources import load
from data.sources.config import FilesConfig
from data.tables import Columns

EVENTS_CSV = """customer,sku,at,order,colour
ann,007,2017-12-01T10:00:00Z,1,red
ann,7,2017-12-01 10:00:01,1,red
bob,007,2017-12-01,2,blue
"""
ITEMS_CSV = """sku,name,price
007,tea,2.5
7,"milk, fresh",1
"""
COLUMNS = Columns(user_key="customer", item_key="sku", timestamp="at", basket_key="order")
TEN = 1_512_122_400  # 2017-12-01 10:00:00 UTC


@pytest.fixture
def config(tmp_path):
    (tmp_path / "events.csv").write_text(EVENTS_CSV)
    (tmp_path / "items.csv").write_text(ITEMS_CSV)
    return FilesConfig(
        interactions=tmp_path / "events.csv",
        items=tmp_path / "items.csv",
        columns=COLUMNS,
        text_fields=("name",),
    )


def test_csv_files_are_read_and_keys_stay_as_written(config):
    tables = load(config)
    assert tables.interactions.rows() == [
        ("ann", "007", TEN, 0, "1"),
        ("ann", "7", TEN + 1, 1, "1"),
        ("bob", "007", TEN - 36_000, 2, "2"),
    ]
    assert tables.items.rows() == [("007", "tea", 2.5), ("7", "milk, fresh", 1.0)]
    assert tables.source == "events.csv and items.csv"


def test_parquet_and_tsv_give_the_same_tables(config, tmp_path):
    events = pl.read_csv(config.interactions, infer_schema=False)
    events.write_parquet(tmp_path / "events.parquet")
    items = pl.read_csv(config.items, schema_overrides={"sku": pl.String})
    items.write_csv(tmp_path / "items.tsv", separator="\t")
    other = config.model_copy(
        update={"interactions": tmp_path / "events.parquet", "items": tmp_path / "items.tsv"}
    )
    assert load(other).interactions.equals(load(config).interactions)
    assert load(other).items.equals(load(config).items)


def refused(config):
    with pytest.raises(DataError) as error:
        load(config)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("events.csv", "", "column 'customer' must be there, but got 4 missing; there are none"),
        ("events.csv", "customer,sku,at,order\n", "the event table must have rows, but got 0 rows"),
        ("events.csv", EVENTS_CSV.replace("customer", "client"), "column 'customer' must be there"),
        ("events.csv", EVENTS_CSV.replace("ann,7", ",7"), "column 'customer' must not be null"),
        ("events.csv", EVENTS_CSV.replace("2017-12-01,", "tomorrow,"), "1 of 3 rows that are none"),
        ("events.csv", EVENTS_CSV + "bob,007,2017-12-01,2,red\n", "each event must be there once"),
        ("events.csv", EVENTS_CSV.replace("ann,7", "ann,8"), "1 of 3 events on 1 unknown items, e.g. '8'"),
        ("events.csv", EVENTS_CSV.replace("red\nann", "red,more\nann"), "the file must be whole"),
        ("items.csv", "sku,name\n", "the item table must have rows, but got 0 rows"),
        ("items.csv", ITEMS_CSV + "7,milk,1\n", "each sku must have one row in the item table"),
        ("items.csv", ITEMS_CSV.replace("sku", "id"), "column 'sku' must be there"),
    ],
)
def test_bad_input_is_one_line_that_names_the_file(config, tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    text = refused(config)
    assert message in text
    assert text.startswith(str(tmp_path / name))


def test_a_missing_file_is_named(config, tmp_path):
    (tmp_path / "items.csv").unlink()
    assert refused(config) == (
        f"{tmp_path / 'items.csv'}: the file must exist, but got none: correct the path in [source]"
    )


def test_a_file_of_another_kind_is_refused(config, tmp_path):
    (tmp_path / "events.json").write_text("{}")
    assert "a file must be .parquet, .csv or .tsv, but got .json" in refused(
        config.model_copy(update={"interactions": tmp_path / "events.json"})
    )


@pytest.mark.parametrize("content", [b"", b"PAR1 but not really"])
def test_a_broken_parquet_file_is_refused(config, tmp_path, content):
    (tmp_path / "events.parquet").write_bytes(content)
    assert "the file must be whole and of the kind that its suffix says" in refused(
        config.model_copy(update={"interactions": tmp_path / "events.parquet"})
    )


def test_bytes_that_are_no_text_are_refused(config, tmp_path):
    (tmp_path / "events.csv").write_bytes(EVENTS_CSV.encode().replace(b"ann", b"\xff\xfe"))
    assert "the file must be whole" in refused(config)
