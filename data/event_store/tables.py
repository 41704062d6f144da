"""Tables: the statements that every store shares, and what they mean; knows no driver.

An event is one row, its key unique. `seq` grows as events come and orders those of one second.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

from data.event_store.event import Added, Clash, Event, UserEvents
from data.event_store.users import SALT_VARIABLE, UserKeys, forgotten_name

FORMAT_VERSION = "1"
ASKED_AT_ONCE = 1_000
_COLUMNS = "event_key, user_key, item_key, timestamp, kind, basket_key, answer, is_timed"
_INSERT = f"INSERT INTO events ({_COLUMNS}) VALUES {{rows}} ON CONFLICT (event_key) DO NOTHING"
_NEWEST = """
SELECT item_key, timestamp, basket_key, seq FROM (
  SELECT item_key, timestamp, basket_key, seq FROM events
  WHERE user_key = ? AND timestamp >= ? AND kind IN ({marks}) ORDER BY timestamp DESC, seq DESC LIMIT ?
) AS newest
UNION ALL SELECT NULL, forgotten_at, NULL, NULL FROM forgotten WHERE name = ?
"""


class Raced(Exception):
    """Another process wrote the same event meanwhile: begin the transaction again."""


class Session(Protocol):
    """A transaction of any driver; `?` stands for a value."""

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """What a query finds."""
        ...

    def run(self, statement: str, rows: Iterable[Sequence[object]]) -> int:
        """Run a statement for each row of values; the number of rows it touched in all."""
        ...

    def insert(self, statement: str, rows: Sequence[Sequence[object]]) -> int:
        """Run a statement whose `{rows}` stands for rows of values, all equally long; likewise."""
        ...


def schema(seq: str, looked_up: str) -> tuple[str, ...]:
    """Statements that make what is missing.

    Args:
        seq: the driver's type of a number that grows.
        looked_up: columns of the index that finds a user's newest events.
    """
    return (
        f"CREATE TABLE IF NOT EXISTS events (seq {seq}, event_key TEXT NOT NULL UNIQUE, "
        "user_key TEXT NOT NULL, item_key TEXT NOT NULL, timestamp BIGINT NOT NULL, kind TEXT NOT NULL, "
        "basket_key TEXT, answer TEXT, is_timed INTEGER NOT NULL)",
        f"CREATE INDEX IF NOT EXISTS events_by_user ON events ({looked_up})",
        "CREATE TABLE IF NOT EXISTS forgotten (name TEXT PRIMARY KEY, forgotten_at BIGINT NOT NULL)",
        "CREATE TABLE IF NOT EXISTS event_store (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    )


def begin(session: Session, users: UserKeys) -> None:
    """Write down format and salt of a new store."""
    ours = {"format": FORMAT_VERSION, "salt": users.fingerprint}
    session.run(
        "INSERT INTO event_store (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", ours.items()
    )


def check(session: Session, users: UserKeys, where: str) -> None:
    """Refuse a store of another kind.

    Raises:
        ValueError: the store has another format, or its users are written with another salt or none.
    """
    theirs = dict(session.rows("SELECT name, value FROM event_store"))
    if theirs["format"] != FORMAT_VERSION:
        raise ValueError(
            f"{where}: this version keeps events in format {FORMAT_VERSION}, but got {theirs['format']}: "
            "use the version of Encore that wrote it, or another store."
        )
    if theirs["salt"] != users.fingerprint:
        written = "hashed with a salt of their own" if theirs["salt"] else "as they came"
        raise ValueError(
            f"{where}: the users of a store are written one way, here {written}, but got "
            f"{'a' if users.are_hashed else 'no'} salt: set {SALT_VARIABLE} as it was, or begin a new store."
        )


def add(session: Session, bodies: Sequence[Sequence[Event]]) -> list[Added | Clash]:
    """Insert several bodies, each whole or not at all; a later body sees the earlier ones.

    Raises:
        Raced: see there.
    """
    there = _there(session, {event.event_key for body in bodies for event in body})
    gone = _gone(session, bodies)
    done = [_decide(body, there, gone) for body in bodies]
    new = [event for each in done if isinstance(each, Added) for event in each.new]
    if new and session.insert(_INSERT, [_row(event) for event in new]) != len(new):
        raise Raced
    return done


def of_user(session: Session, user_key: str, *, kinds: Sequence[str], since: int, limit: int) -> UserEvents:
    """See `EventStore.of_user`; one statement, because a database may be far away."""
    statement = _NEWEST.format(marks=_marks(len(kinds)))
    name = forgotten_name("user", user_key)
    found = session.rows(statement, (user_key, since, *kinds, limit, name))
    events = sorted((row for row in found if row[0] is not None), key=lambda row: (row[1], row[3]))
    when = next((row[1] for row in found if row[0] is None), None)
    return UserEvents([(item, time, basket) for item, time, basket, _ in events], when)


def forget(session: Session, user_key: str, now: int) -> int:
    """See `EventStore.forget`."""
    keys = [key for (key,) in session.rows("SELECT event_key FROM events WHERE user_key = ?", (user_key,))]
    session.run("DELETE FROM events WHERE user_key = ?", [(user_key,)])
    names = [forgotten_name("user", user_key), *(forgotten_name("event", key) for key in keys)]
    statement = (
        "INSERT INTO forgotten (name, forgotten_at) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET forgotten_at = excluded.forgotten_at"
    )
    session.run(statement, [(name, now) for name in names])
    return len(keys)


def forgotten(session: Session) -> dict[str, int]:
    """See `EventStore.forgotten`."""
    return dict(session.rows("SELECT name, forgotten_at FROM forgotten"))


def all_of(kinds: Sequence[str]) -> str:
    """The query behind `EventStore.chunks`."""
    return (
        "SELECT event_key, user_key, item_key, timestamp, kind, basket_key FROM events "
        f"WHERE kind IN ({_marks(len(kinds))}) ORDER BY seq"
    )


def _there(session: Session, keys: set[str]) -> dict[str, Event]:
    """Events that have one of these keys, by key."""
    query = f"SELECT {_COLUMNS} FROM events WHERE event_key IN ({{marks}})"
    return {row[0]: _event(*row) for row in _rows_of(session, query, keys)}


def _gone(session: Session, bodies: Sequence[Sequence[Event]]) -> dict[str, int]:
    """What was deleted of these users and events: name to Unix seconds."""
    if not session.rows("SELECT 1 FROM forgotten LIMIT 1"):
        return {}
    events = [event for body in bodies for event in body]
    names = {forgotten_name("user", event.user_key) for event in events}
    names |= {forgotten_name("event", event.event_key) for event in events}
    query = "SELECT name, forgotten_at FROM forgotten WHERE name IN ({marks})"
    return dict(_rows_of(session, query, names))


def _decide(body: Sequence[Event], there: dict[str, Event], gone: dict[str, int]) -> Added | Clash:
    """What becomes of a body; its new events join `there`."""
    new: dict[str, Event] = {}
    clashes: dict[str, None] = {}
    n_known = n_forgotten = 0
    for event in body:
        if (known := new.get(event.event_key) or there.get(event.event_key)) is not None:
            n_known += 1
            if not event.same_as(known):
                clashes[event.event_key] = None
        elif _is_gone(event, gone):
            n_forgotten += 1
        else:
            new[event.event_key] = event
    if clashes:
        return Clash(tuple(clashes))
    there.update(new)
    return Added(tuple(new.values()), n_known, n_forgotten)


def _is_gone(event: Event, gone: dict[str, int]) -> bool:
    if not gone:
        return False
    if forgotten_name("event", event.event_key) in gone:
        return True
    when = gone.get(forgotten_name("user", event.user_key))
    return when is not None and event.is_timed and event.timestamp <= when


def _rows_of(session: Session, query: str, values: Iterable[str]) -> Iterator[tuple[Any, ...]]:
    left = iter(values)
    while some := tuple(islice(left, ASKED_AT_ONCE)):
        yield from session.rows(query.format(marks=_marks(len(some))), some)


def _event(
    key: str,
    user: str,
    item: str,
    timestamp: int,
    kind: str,
    basket: str | None,
    answer: str | None,
    is_timed: int,
) -> Event:
    return Event(key, user, item, timestamp, kind, basket, answer, bool(is_timed))


def _row(event: Event) -> tuple[object, ...]:
    return (
        event.event_key,
        event.user_key,
        event.item_key,
        event.timestamp,
        event.kind,
        event.basket_key,
        event.answer,
        int(event.is_timed),
    )


def row_of_marks(n: int) -> str:
    """`(?, ?)` for two values."""
    return f"({_marks(n)})"


def _marks(n: int) -> str:
    return ", ".join("?" * n)
