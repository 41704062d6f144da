"""Event store: what users did, on disk before anybody is told so; SQLite or PostgreSQL, found by address."""

from data.event_store.address import Address, parse
from data.event_store.event import EventStore
from data.event_store.sqlite import SqliteStore
from data.event_store.users import UserKeys


def open_store(address: str | Address, users: UserKeys, *, create: bool = True) -> EventStore:
    """The store at `address`.

    Args:
        address: path of a SQLite file, or postgresql:// URL.
        users: how its user keys are written.
        create: whether tables are made where there are none.

    Raises:
        ValueError: no such kind of address, psycopg is missing, or its users are written another way.
        StoreError: it is a file that cannot be opened.
    """
    found = parse(address) if isinstance(address, str) else address
    if found.path is not None:
        return SqliteStore(found.path, users, create=create)
    from data.event_store.postgresql import PostgresStore

    return PostgresStore(found, users, create=create)
