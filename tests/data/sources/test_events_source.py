"""A base of files and a store of events, joined."""

import logging
from pathlib import Path

import polars as pl
import pytest

from data.errors import DataError
from data.event_store import open_store
from data.event_store.event import Event
from data.event_store.users import UserKeys
from data.snapshot import write_snapshot
from data.sources import load
from data.sources.config import EventsConfig, FilesConfig
from data.tables import Columns

SALT = "a secret of some length"
EVENTS_CSV = """user_key,item_key,timestamp,order
ann,10,100,o1
bob,11,50,o2
"""
ITEMS_CSV = "item_key,name\n10,milk\n11,bread\n12,tea\n"


@pytest.fixture
def base(tmp_path: Path) -> FilesConfig:
    (tmp_path / "events.csv").write_text(EVENTS_CSV)
    (tmp_path / "items.csv").write_text(ITEMS_CSV)
    return FilesConfig(
        interactions=tmp_path / "events.csv",
        items=tmp_path / "items.csv",
        columns=Columns(basket_key="order"),
    )


@pytest.fixture
def config(base: FilesConfig, tmp_path: Path) -> EventsConfig:
    return EventsConfig(store=tmp_path / "events.db", base=base)


def tell(config: EventsConfig, *rows: tuple[object, ...], salt: str | None = None, kind: str = "purchase"):
    """Keep events of (key, user, item, seconds, basket)."""
    users = UserKeys(salt)
    store = open_store(str(config.store), users)
    events = [
        Event(key, users.stored(user), item, time, kind, basket)  # type: ignore[arg-type]
        for key, user, item, time, basket in rows
    ]
    store.add([events])
    return store


def facts(config: EventsConfig) -> list[tuple[object, ...]]:
    columns = ["user_key", "item_key", "timestamp", "basket_key"]
    return load(config).interactions.sort("timestamp", "position").select(columns).rows()


BASE = [("bob", "11", 50, "o2"), ("ann", "10", 100, "o1")]


def test_events_of_the_service_follow_those_of_the_base(config: EventsConfig) -> None:
    tell(config, ("e1", "ann", "12", 200, "o3"), ("e2", "zoe", "10", 150, None))
    assert facts(config) == [*BASE, ("zoe", "10", 150, "event:e2"), ("ann", "12", 200, "o3")]
    assert load(config).source == "events.csv and items.csv and events of the service"
    assert load(config).items.height == 3


def test_of_one_second_the_base_comes_first_then_what_was_told_first(config: EventsConfig) -> None:
    tell(config, ("e2", "ann", "12", 100, "o3"), ("e1", "ann", "11", 100, "o4"))
    assert [row[1] for row in facts(config)] == ["11", "10", "12", "11"]


def test_only_the_kinds_that_are_asked_for_are_taken(config: EventsConfig) -> None:
    tell(config, ("e1", "ann", "12", 200, "o3"), kind="view")
    assert facts(config) == BASE
    assert len(facts(config.model_copy(update={"kinds": ("view",)}))) == 3


def test_what_the_base_has_too_is_taken_once(config: EventsConfig, caplog) -> None:
    caplog.set_level(logging.INFO)
    rows = [("e1", "ann", "10", 100, None), ("e2", "ann", "12", 200, "o"), ("e3", "ann", "12", 200, "o")]
    tell(config, *rows)
    assert facts(config) == [*BASE, ("ann", "12", 200, "o")]
    assert "stored=3 told_twice=1 unknown_items=0 in_base=1" in caplog.text


def test_events_on_unknown_items_wait_until_the_base_has_them(config: EventsConfig, caplog) -> None:
    caplog.set_level(logging.INFO)
    tell(config, ("e1", "ann", "99", 200, "o3"))
    assert facts(config) == BASE
    assert "unknown_items=1" in caplog.text
    assert isinstance(config.base, FilesConfig)
    config.base.items.write_text(ITEMS_CSV + "99,salt\n")
    assert facts(config) == [*BASE, ("ann", "99", 200, "o3")]


def test_a_new_event_makes_a_new_snapshot_and_the_same_events_the_same(
    config: EventsConfig, tmp_path: Path
) -> None:
    alone = write_snapshot(load(config.base), tmp_path / "snapshots")
    before = write_snapshot(load(config), tmp_path / "snapshots")
    assert before.digest == alone.digest  # nothing was told
    tell(config, ("e1", "ann", "12", 200, "o3"), kind="view")
    assert write_snapshot(load(config), tmp_path / "snapshots").digest == before.digest
    tell(config, ("e2", "ann", "12", 200, "o3"))
    after = write_snapshot(load(config), tmp_path / "snapshots")
    assert after.digest != before.digest
    assert write_snapshot(load(config), tmp_path / "snapshots").digest == after.digest


def test_a_base_without_baskets_stays_without(config: EventsConfig) -> None:
    assert isinstance(config.base, FilesConfig)
    plain = config.model_copy(update={"base": config.base.model_copy(update={"columns": Columns()})})
    tell(config, ("e1", "ann", "12", 200, "o3"), ("e2", "ann", "12", 200, "o4"))
    events = load(plain).interactions
    assert events.columns == ["user_key", "item_key", "timestamp", "position"]
    assert events.height == 3  # without baskets e1 and e2 are the same


def test_with_a_salt_the_users_of_base_and_service_are_the_same(
    config: EventsConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCORE_USER_SALT", SALT)
    tell(config, ("e1", "ann", "12", 200, "o3"), salt=SALT)
    ann, bob = UserKeys(SALT).stored("ann"), UserKeys(SALT).stored("bob")
    assert [row[0] for row in facts(config)] == [bob, ann, ann]
    assert len(ann) == 64


@pytest.mark.parametrize("salt", [None, SALT])
def test_what_a_user_had_deleted_is_left_out_of_the_base_too(
    config: EventsConfig, monkeypatch: pytest.MonkeyPatch, salt: str | None
) -> None:
    monkeypatch.setenv("ENCORE_USER_SALT", salt or "")
    store = tell(config, ("e1", "ann", "12", 200, "o3"), salt=salt)
    store.forget(UserKeys(salt).stored("ann"), now=300)
    assert [row[1:] for row in facts(config)] == [("11", 50, "o2")]
    store.add([[Event("e4", UserKeys(salt).stored("ann"), "11", 301, "purchase", "o5")]])
    assert [row[1:] for row in facts(config)] == [("11", 50, "o2"), ("11", 301, "o5")]


def test_the_address_may_come_from_the_environment(
    config: EventsConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(config, ("e1", "ann", "12", 200, "o3"))
    monkeypatch.setenv("ENCORE_EVENTS", str(config.store))
    assert len(facts(config.model_copy(update={"store": None}))) == 3


def refused(config: EventsConfig) -> str:
    with pytest.raises(DataError) as error:
        load(config)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_no_address_is_refused(config: EventsConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENCORE_EVENTS", raising=False)
    message = refused(config.model_copy(update={"store": None}))
    assert message.startswith("source.store_env: ENCORE_EVENTS must hold the address of the event store")


def test_another_salt_and_a_file_that_is_no_store_are_refused(config: EventsConfig, tmp_path: Path) -> None:
    tell(config, ("e1", "ann", "12", 200, "o3"), salt=SALT)
    assert "here hashed with a salt of their own, but got no salt" in refused(config)
    other = tmp_path / "notes.txt"
    other.write_text("no database" * 1000)
    assert "file is not a database" in refused(config.model_copy(update={"store": other}))


@pytest.mark.slow
def test_events_in_a_real_postgresql_server_are_joined(
    config: EventsConfig, postgres: str, monkeypatch
) -> None:
    monkeypatch.setenv("ENCORE_EVENTS", postgres)
    store = open_store(postgres, UserKeys())
    store.add([[Event(f"e{n}", "ann", "12", 200 + n, "purchase", "o3") for n in range(3)]])
    store.close()
    joined = load(config.model_copy(update={"store": None})).interactions
    assert joined.filter(pl.col("timestamp") >= 200).height == 3
    monkeypatch.setenv("ENCORE_EVENTS", postgres.replace("s3cret", "wr0ng"))
    message = refused(config.model_copy(update={"store": None}))
    assert "the event store must be readable" in message
    assert "wr0ng" not in message
