"""PostgreSQL store: for a team, and for several services that share their feedback; needs psycopg.

A database that is away costs a caller `PATIENCE_SECONDS` at most, and is left alone for a while after it
failed, longer each time, so that a service that also answers questions is not held up.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from typing import Any, TypeVar

import psycopg

from data.event_store import tables
from data.event_store.address import Address
from data.event_store.event import Added, Clash, Event, StoreError, UserEvents
from data.event_store.users import UserKeys

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 3
WRITE_SECONDS = 10
PATIENCE_SECONDS = 0.25
REST_SECONDS, MAX_REST_SECONDS = 1.0, 30.0
ATTEMPTS = 5
CHUNK = 50_000
# Prepared while the table is empty, a look-up by keys would be planned to read all of it, and stay so.
OPTIONS = f"-c synchronous_commit=on -c enable_seqscan=off -c statement_timeout={WRITE_SECONDS * 1000}"
SEQ = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
ROWS_AT_ONCE = 1_000  # eight values each; a statement may have 65,535

Result = TypeVar("Result")


class PostgresStore:
    """Events in a PostgreSQL database; see `EventStore`.

    Args:
        address: of the database.
        users: how its user keys are written.
        create: whether tables are made where there are none.

    A database that is away at the start is logged; it may come later.

    Raises:
        ValueError: it has another format, or users that are written another way.
    """

    def __init__(self, address: Address, users: UserKeys, *, create: bool = True) -> None:
        assert address.url is not None
        self.name = address.name
        self._users, self._create = users, create
        self._writer = _Line(address, self._prepare)
        self._reader = _Line(address, self._prepare)
        self._readers = ThreadPoolExecutor(1, "events-read")
        self._read: Future[Any] | None = None
        try:
            self._writer.ask(lambda session: None)
        except StoreError as error:
            logger.error("event=event_store_away reason=%r", str(error))

    def add(self, bodies: Sequence[Sequence[Event]]) -> list[Added | Clash]:
        """See `EventStore`."""
        for _ in range(ATTEMPTS):
            try:
                return self._writer.ask(lambda session: tables.add(session, bodies))
            except tables.Raced:
                continue
        raise StoreError(f"{self.name}: another process writes the same events at the same time")

    def of_user(self, user_key: str, *, kinds: Sequence[str], since: int, limit: int) -> UserEvents:
        """See `EventStore`; never takes longer than `PATIENCE_SECONDS`."""
        if self._read is not None and not self._read.done():
            raise StoreError(f"{self.name}: the query before still waits for the database")
        self._reader.check()
        self._read = self._readers.submit(
            self._reader.ask,
            lambda session: tables.of_user(session, user_key, kinds=kinds, since=since, limit=limit),
        )
        try:
            found: UserEvents = self._read.result(PATIENCE_SECONDS)
        except TooLate:
            raise StoreError(f"{self.name}: no answer within {PATIENCE_SECONDS:g} s") from None
        return found

    def forget(self, user_key: str, now: int) -> int:
        """See `EventStore`; the server's own vacuum overwrites what was deleted."""
        return self._writer.ask(lambda session: tables.forget(session, user_key, now))

    def chunks(self, kinds: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
        """See `EventStore`."""
        yield from self._writer.stream(tables.all_of(kinds), tuple(kinds))

    def forgotten(self) -> dict[str, int]:
        """See `EventStore`."""
        return self._writer.ask(tables.forgotten)

    def close(self) -> None:
        """See `EventStore`."""
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._writer.close()
        self._reader.close()

    def _prepare(self, session: tables.Session) -> None:
        if self._create:
            session.rows("SELECT pg_advisory_xact_lock(4005)")  # two services that start make tables once
            for statement in tables.schema(SEQ, "user_key, timestamp"):
                session.run(statement, [()])
            tables.begin(session, self._users)
        tables.check(session, self._users, self.name)


class _Line:
    """One connection, opened when it is needed and again after it broke; one transaction at a time."""

    def __init__(self, address: Address, prepare: Callable[[tables.Session], None]) -> None:
        self._address, self._prepare = address, prepare
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None
        self._rest, self._not_before = 0.0, 0.0
        self._why = ""

    def check(self) -> None:
        """Raise `StoreError` while the database is left alone."""
        if time.monotonic() < self._not_before:
            raise StoreError(f"{self._why} (asked again in {self._not_before - time.monotonic():.0f} s)")

    def ask(self, question: Callable[[tables.Session], Result]) -> Result:
        """The result of a transaction; committed once this returns."""
        with self._lock:
            try:
                connection = self._open()
                with connection.transaction():
                    result = question(_Session(connection))
            except psycopg.Error as error:
                raise self._failed(error) from None  # its context may hold the URL
            self._rest = 0.0
            return result

    def stream(self, statement: str, values: Sequence[object]) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of a query, as one snapshot, without holding all of them."""
        with self._lock:
            try:
                connection = self._open()
                with connection.transaction(), connection.cursor("chunks") as cursor:
                    cursor.execute(_marked(statement), values)
                    while rows := cursor.fetchmany(CHUNK):
                        yield rows
            except psycopg.Error as error:
                raise self._failed(error) from None

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()

    def _open(self) -> "psycopg.Connection[Any]":
        if self._connection is not None and not self._connection.closed:
            return self._connection
        self.check()
        assert self._address.url is not None
        self._connection = psycopg.connect(
            self._address.url,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            options=OPTIONS,
            application_name="encore-events",
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=WRITE_SECONDS * 1000,
        )
        try:
            with self._connection.transaction():
                self._prepare(_Session(self._connection))
        except BaseException:
            self._connection.close()
            raise
        return self._connection

    def _failed(self, error: psycopg.Error) -> StoreError:
        said = (str(error).strip() or type(error).__name__).partition("\n")[0]
        if self._connection is None or self._connection.closed:
            self._rest = min(MAX_REST_SECONDS, 2 * self._rest or REST_SECONDS)
            self._not_before = time.monotonic() + self._rest
            self._why = f"{self._address.name}: {said}"
        return StoreError(f"{self._address.name}: {said}")


class _Session:
    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(_marked(statement), values).fetchall()

    def run(self, statement: str, rows: Iterable[Sequence[object]]) -> int:
        with self._connection.cursor() as cursor:
            cursor.executemany(_marked(statement), rows)
            return cursor.rowcount

    def insert(self, statement: str, rows: Sequence[Sequence[object]]) -> int:
        """Many rows a statement: each statement would be a message of its own."""
        n_inserted = 0
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE]
            marks = ", ".join([tables.row_of_marks(len(some[0]))] * len(some))
            values = [value for row in some for value in row]
            n_inserted += self._connection.execute(_marked(statement.format(rows=marks)), values).rowcount
        return n_inserted


def _marked(statement: str) -> bytes:
    """The statement with psycopg's marks; none of ours holds another question mark or a percent sign."""
    return statement.replace("?", "%s").encode()
