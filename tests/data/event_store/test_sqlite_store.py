"""What only a file has: syncing, and a disk that is full."""

import sqlite3
import stat
from pathlib import Path

import pytest

from data.event_store import open_store
from data.event_store.event import Event, StoreError
from data.event_store.sqlite import SqliteStore
from data.event_store.users import UserKeys


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "events.db", UserKeys())


def events(n_events: int, name: str = "e") -> list[Event]:
    return [Event(f"{name}{number}", "ann", "10", 100, "purchase") for number in range(n_events)]


def test_each_commit_waits_for_the_disk(store: SqliteStore) -> None:
    assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._writer.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_a_full_disk_is_told_and_nothing_of_the_body_stays(store: SqliteStore) -> None:
    store.add([events(10)])
    (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
    store._writer.execute(f"PRAGMA max_page_count = {pages + 4}")
    with pytest.raises(StoreError, match="database or disk is full"):
        store.add([events(1_000, "late")])
    assert len(store.of_user("ann", kinds=["purchase"], since=0, limit=9_999).rows) == 10
    store._writer.execute("PRAGMA max_page_count = 1000000")  # somebody made room
    store.add([events(1_000, "late")])
    assert len(store.of_user("ann", kinds=["purchase"], since=0, limit=9_999).rows) == 1_010


def test_the_file_is_for_its_owner_only(store: SqliteStore) -> None:
    assert stat.S_IMODE(Path(store.name).stat().st_mode) == 0o600


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to look like one" * 100)
    with pytest.raises(StoreError, match=r"notes\.txt: file is not a database"):
        open_store(str(tmp_path / "notes.txt"), UserKeys())


def test_a_store_that_is_only_read_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open database file"):
        open_store(str(tmp_path / "none.db"), UserKeys(), create=False)
    assert not (tmp_path / "none.db").exists()


def test_a_store_of_a_later_format_is_refused(store: SqliteStore) -> None:
    with sqlite3.connect(store.name) as connection:
        connection.execute("UPDATE event_store SET value = '2' WHERE name = 'format'")
    with pytest.raises(ValueError, match="this version keeps events in format 1, but got 2"):
        SqliteStore(Path(store.name), UserKeys())
