"""Recent: what users did since a bundle was made, as the end of their history; knows no store."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from data.interactions import Interactions


@dataclass(frozen=True, slots=True)
class RecentEvent:
    """An event of a user.

    Attributes:
        item: its key, known to the catalogue or not.
        time: Unix seconds UTC.
        basket: events of one basket share it; None for a basket of its own.
    """

    item: str
    time: int
    basket: str | None = None


@dataclass(frozen=True, slots=True)
class Recent:
    """What is known of a user beside the bundle.

    Attributes:
        events: oldest first.
        is_forgotten: the user's data were deleted on request, so the bundle's history may not be used.
        notice: why something is missing, or None.
    """

    events: Sequence[RecentEvent] = ()
    is_forgotten: bool = False
    notice: str | None = None


NOTHING = Recent()


class RecentEvents(Protocol):
    """Looks up users; answers at once, whatever happens."""

    def of(self, user: str, *, since: int) -> Recent:
        """Events of `user` at or after `since` (Unix seconds UTC)."""
        ...

    def stored(self, user: str) -> str:
        """How `user` is written where keys are hashed."""
        ...

    def is_gone(self, key: str) -> bool:
        """Whether a user was deleted and did nothing since; `key` plain or hashed, as a bundle has it."""
        ...


class NoRecentEvents:
    """Nobody tells what users do."""

    def of(self, user: str, *, since: int) -> Recent:
        """Nothing."""
        return NOTHING

    def stored(self, user: str) -> str:
        """As it came."""
        return user

    def is_gone(self, key: str) -> bool:
        """Nobody tells."""
        return False


@dataclass(frozen=True, slots=True)
class Continued:
    """A history and what came after it.

    Attributes:
        items: dense ids, oldest first.
        times: Unix seconds, parallel to `items`, not decreasing.
        baskets: ordinals, parallel to `items`, not decreasing.
        added: the events behind the bundle's, in this order.
    """

    items: list[int]
    times: list[int]
    baskets: list[int]
    added: tuple[RecentEvent, ...]


def continued(own: Interactions, events: Sequence[RecentEvent], ids: Sequence[int]) -> Continued:
    """A bundle's history with later events behind it.

    Left out are items that the catalogue does not have, events before the end of `own`, and those of its last
    second on an item that it has there: they are the same event. As in training, baskets follow each other by
    their first event, and an event of a basket that another one overlaps takes the time before it.

    Args:
        own: the bundle's history, one row or none.
        events: oldest first.
        ids: dense id of each event's item, -1 for unknown.
    """
    items, times, baskets = own.item.tolist(), own.time.tolist(), own.basket.tolist()
    end = times[-1] if times else 0
    there = {item for item, time in zip(items, times, strict=True) if time == end}
    added = [
        (event, item)
        for event, item in zip(events, ids, strict=True)
        if item >= 0 and (event.time > end or not times or (event.time == end and item not in there))
    ]
    began: dict[object, int] = {}
    place = [began.setdefault(event.basket or (row,), len(began)) for row, (event, _) in enumerate(added)]
    order = sorted(range(len(added)), key=place.__getitem__)
    first = baskets[-1] + 1 if baskets else 0
    for row in order:
        event, item = added[row]
        items.append(item)
        times.append(max(event.time, times[-1]) if times else event.time)
        baskets.append(first + place[row])
    return Continued(items, times, baskets, tuple(added[row][0] for row in order))
