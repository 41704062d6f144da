import logging
import sys

import pytest
import sqlalchemy

from data.errors import DataError
from data.sources import load
from data.sources.config import SqlConfig
from data.tables import Columns

SCHEMA = [
    "create table products (sku integer primary key, name text)",
    "create table lines (customer text, sku int, at {time}, order_id int, qty numeric(6,2), line int)",
    "insert into products values (7, 'tea'), (8, 'milk')",
    "insert into lines values ('ann', 8, '2017-12-01 10:00:00', 1, 1.5, 2)",
    "insert into lines values ('ann', 7, '2017-12-01 10:00:00', 1, 2, 1)",
    "insert into lines values ('bob', 7, '2017-12-01 09:00:00', 2, 1, 1)",
]
TEN = 1_512_122_400  # 2017-12-01 10:00:00 UTC
EXPECTED = [
    ("ann", "7", TEN, 1, "1", 2.0),
    ("ann", "8", TEN, 2, "1", 1.5),
    ("bob", "7", TEN - 3_600, 1, "2", 1.0),
]
QUERIES = {
    "interactions": "select * from lines order by customer, line",
    "items": "select sku, name from products",
    "columns": Columns(
        user_key="customer",
        item_key="sku",
        timestamp="at",
        position="line",
        basket_key="order_id",
        weight="qty",
    ),
    "text_fields": ("name",),
}
PASSWORD = "s3cret/word"  # of the server in tests/conftest.py, too


def fill(url, *, time):
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        for statement in SCHEMA:
            connection.execute(sqlalchemy.text(statement.format(time=time)))
    engine.dispose()


@pytest.fixture
def sqlite(tmp_path):
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    fill(url, time="text")
    return url


def refused(config):
    with pytest.raises(DataError) as error:
        load(config)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_sqlite_is_read(sqlite):
    tables = load(SqlConfig(url=sqlite, **QUERIES))
    assert tables.interactions.rows() == EXPECTED
    assert tables.items.rows() == [("7", "tea"), ("8", "milk")]
    assert tables.source.startswith("sqlite://")


def test_the_url_may_come_from_the_environment(sqlite, monkeypatch):
    monkeypatch.setenv("SHOP_URL", sqlite)
    assert load(SqlConfig(url_env="SHOP_URL", **QUERIES)).interactions.height == 3


def test_an_unset_variable_is_named(monkeypatch):
    monkeypatch.delenv("SHOP_URL", raising=False)
    assert "the environment variable SHOP_URL must hold the database URL, but got none" in refused(
        SqlConfig(url_env="SHOP_URL", **QUERIES)
    )


def test_a_query_that_fails_is_one_line(sqlite):
    message = refused(SqlConfig(url=sqlite, **QUERIES | {"items": "select * from stock"}))
    assert "the database must answer (items), but got no such table: stock" in message


def test_a_query_without_rows_is_refused(sqlite):
    query = "select * from lines where 1 = 0"
    assert "the event table must have rows" in refused(
        SqlConfig(url=sqlite, **QUERIES | {"interactions": query})
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://shop:s3cret%2Fword@127.0.0.1:1/db",
        "postgresql+psycopg://127.0.0.1:1/db?user=shop&password=s3cret%2Fword",
        "postgresql+psycopg://shop:s3cret/word@127.0.0.1:1/db",  # "/" not encoded: the port is no number
        "nosuchdialect://shop:s3cret%2Fword@127.0.0.1/db",
        "mssql+pyodbc://shop:s3cret%2Fword@127.0.0.1/db",
    ],
)
def test_a_password_is_in_no_message_log_or_traceback(url, monkeypatch, caplog):
    monkeypatch.setenv("SHOP_URL", url)
    caplog.set_level(logging.DEBUG)
    config = SqlConfig(url_env="SHOP_URL", **QUERIES)
    with pytest.raises(DataError) as error:
        load(config)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__
    for text in (str(error.value), caplog.text, repr(config), config.model_dump_json()):
        assert "s3cret" not in text


def test_a_password_in_the_config_is_refused_unseen():
    config = SqlConfig(url="postgresql+psycopg://shop:s3cret@127.0.0.1/db", **QUERIES)
    message = refused(config)
    assert "source.url must not hold a password" in message
    assert "s3cret" not in message + repr(config) + config.model_dump_json()


def test_without_sqlalchemy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    message = refused(SqlConfig(url="sqlite://", **QUERIES))
    assert "needs the package sqlalchemy" in message
    assert "encore[data]" in message


@pytest.mark.slow
def test_a_real_postgresql_server_is_read(postgres, monkeypatch, caplog):
    fill(postgres, time="timestamptz")
    monkeypatch.setenv("SHOP_URL", postgres)
    caplog.set_level(logging.DEBUG)
    tables = load(SqlConfig(url_env="SHOP_URL", **QUERIES))
    assert tables.interactions.rows() == EXPECTED
    assert tables.items.rows() == [("7", "tea"), ("8", "milk")]
    assert PASSWORD not in tables.source + caplog.text

    wrong = postgres.replace("s3cret", "wr0ng")
    monkeypatch.setenv("SHOP_URL", wrong)
    message = refused(SqlConfig(url_env="SHOP_URL", **QUERIES))
    assert "the database must answer (connection)" in message
    assert "wr0ng" not in message
