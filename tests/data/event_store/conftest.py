"""Both kinds of store, fresh for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data.event_store import open_store
from data.event_store.event import EventStore
from data.event_store.users import UserKeys

Open = Callable[..., EventStore]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store is that does not exist yet."""
    if request.param == "sqlite":
        return str(tmp_path / "new" / "events.db")
    url: str = request.getfixturevalue("postgres")
    return url


@pytest.fixture
def opened(address: str) -> Iterator[Open]:
    """Open the store, as often as one likes, with a salt or none."""
    stores = []

    def open_one(salt: str | None = None, **options: bool) -> EventStore:
        stores.append(open_store(address, UserKeys(salt), **options))
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Open) -> EventStore:
    return opened()
