"""Event: one thing that a user did, as it was told to a service, and what a store of them can do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class StoreError(RuntimeError):
    """The store cannot be read or written now; nothing of what was asked is done."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a user did.

    Attributes:
        event_key: chosen by whoever tells it; one key is one event, however often it is told.
        user_key: as `UserKeys` writes it.
        item_key: may be unknown to every model.
        timestamp: Unix seconds UTC.
        kind: such as view, cart, purchase.
        basket_key: events of one order or session share it.
        answer: id of the answer in which the item was shown.
        is_timed: whether the caller told the time; else it is when the event came.
    """

    event_key: str
    user_key: str
    item_key: str
    timestamp: int
    kind: str
    basket_key: str | None = None
    answer: str | None = None
    is_timed: bool = True

    def same_as(self, other: "Event") -> bool:
        """Whether both tell the same; a time that nobody told cannot differ."""
        return self._told() == other._told()

    def _told(self) -> tuple[object, ...]:
        when = self.timestamp if self.is_timed else None
        return self.event_key, self.user_key, self.item_key, when, self.kind, self.basket_key, self.answer


@dataclass(frozen=True, slots=True)
class Added:
    """A body of events that is on disk.

    Attributes:
        new: events that were not there before, in their order.
        known: number of events that were there already.
        forgotten: number of events that are not kept: what they tell was deleted on request.
    """

    new: tuple[Event, ...]
    known: int
    forgotten: int


@dataclass(frozen=True, slots=True)
class Clash:
    """A body of which nothing is kept: some of its keys were used for other events.

    Attributes:
        keys: these keys, each once.
    """

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UserEvents:
    """What a store has of a user.

    Attributes:
        rows: item key, Unix seconds UTC, basket key or None; by time, then as they came.
        forgotten_at: Unix seconds UTC of the newest deletion of this user's data, None for none.
    """

    rows: list[tuple[str, int, str | None]]
    forgotten_at: int | None


class EventStore(Protocol):
    """Where events are kept. Thread-safe; every method may raise `StoreError`."""

    def add(self, bodies: Sequence[Sequence[Event]]) -> list[Added | Clash]:
        """Keep several bodies in one transaction, each whole or not at all; returns once they are on disk."""
        ...

    def of_user(self, user_key: str, *, kinds: Sequence[str], since: int, limit: int) -> UserEvents:
        """The newest `limit` events of a user at or after `since` (Unix seconds), of these kinds."""
        ...

    def forget(self, user_key: str, now: int) -> int:
        """Delete a user's events and remember that; returns how many.

        What was deleted is not taken again, nor is any event of this user that is told to be of `now` or
        before. Kept are SHA-256 of the user key and of the event keys, and `now`.
        """
        ...

    def chunks(self, kinds: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
        """All events of these kinds, as they came: key, user, item, seconds, kind, basket."""
        ...

    def forgotten(self) -> dict[str, int]:
        """SHA-256 of `user:KEY` of each user whose data were deleted (and `event:KEY`), to Unix seconds."""
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...
