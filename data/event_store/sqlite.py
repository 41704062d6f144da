"""SQLite store: one file; written ahead and synced, so that a commit that returned survives a power cut.

Several processes may use one file: a writer waits for another one `BUSY_SECONDS`. `commits` of many bodies
together is the caller's business: each `add` is one transaction and one sync of the disk.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from data.event_store import tables
from data.event_store.event import Added, Clash, Event, StoreError, UserEvents
from data.event_store.users import UserKeys

BUSY_SECONDS = 2.0
CHUNK = 50_000
COVERING = "user_key, timestamp, seq, kind, item_key, basket_key"  # a look-up reads neighbours in one place


class SqliteStore:
    """Events in a SQLite file; see `EventStore`.

    Args:
        path: of the file; its folder is made if missing.
        users: how its user keys are written.
        create: whether file and tables are made where there are none.

    Raises:
        ValueError: it has another format, or users that are written another way.
        StoreError: it cannot be opened.
    """

    def __init__(self, path: Path, users: UserKeys, *, create: bool = True) -> None:
        self.name = str(path)
        self._mode = "rwc" if create else "rw"
        self._writing, self._reading = threading.Lock(), threading.Lock()
        if create:
            with self._told():
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                path.touch(0o600)
        self._writer, self._reader = self._connect(path), self._connect(path)
        with self._transaction() as session:
            if create:
                for statement in tables.schema("INTEGER PRIMARY KEY AUTOINCREMENT", COVERING):
                    session.run(statement, [()])
                tables.begin(session, users)
            tables.check(session, users, self.name)

    def add(self, bodies: Sequence[Sequence[Event]]) -> list[Added | Clash]:
        """See `EventStore`."""
        with self._transaction() as session:
            return tables.add(session, bodies)

    def of_user(self, user_key: str, *, kinds: Sequence[str], since: int, limit: int) -> UserEvents:
        """See `EventStore`."""
        with self._reading, self._told():
            return tables.of_user(_Session(self._reader), user_key, kinds=kinds, since=since, limit=limit)

    def forget(self, user_key: str, now: int) -> int:
        """See `EventStore`; the file keeps no trace of what was deleted."""
        with self._transaction() as session:
            n_events = tables.forget(session, user_key, now)
        with self._writing, self._told():
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return n_events

    def chunks(self, kinds: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
        """See `EventStore`."""
        with self._reading, self._told():
            found = self._reader.execute(tables.all_of(kinds), tuple(kinds))
            yield from iter(partial(found.fetchmany, CHUNK), [])

    def forgotten(self) -> dict[str, int]:
        """See `EventStore`."""
        with self._reading, self._told():
            return tables.forgotten(_Session(self._reader))

    def close(self) -> None:
        """See `EventStore`."""
        with self._writing, self._reading:
            self._writer.close()
            self._reader.close()

    def _connect(self, path: Path) -> sqlite3.Connection:
        with self._told():
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={self._mode}",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")  # each commit waits for the disk
            connection.execute("PRAGMA secure_delete = ON")
            return connection

    @contextmanager
    def _transaction(self) -> Iterator["_Session"]:
        with self._writing, self._told():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield _Session(self._writer)
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self.name}: {error}") from error


class _Session:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, tuple(values)).fetchall()

    def run(self, statement: str, rows: Iterable[Sequence[object]]) -> int:
        return self._connection.executemany(statement, rows).rowcount

    def insert(self, statement: str, rows: Sequence[Sequence[object]]) -> int:
        return self.run(statement.format(rows=tables.row_of_marks(len(rows[0]))), rows)
