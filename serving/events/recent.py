"""Stored events: the look-up of a user's newest events for an answer; a store that fails costs only these."""

import logging
import time
from collections.abc import Sequence

from data.event_store.event import EventStore, StoreError
from data.event_store.users import UserKeys
from serving.answers.recent import NOTHING, Recent, RecentEvent
from serving.events.metrics import EventMetrics

logger = logging.getLogger(__name__)

N_NEWEST = 200
QUIET_SECONDS = 10.0
UNREAD = "the newest events of this user could not be read: the answer is from older ones"


class StoredEvents:
    """Recent events from a store; see `RecentEvents`.

    Args:
        store: None where only user keys are hashed.
        users: how the store writes them.
        kinds: kinds of events that continue a history.
        metrics: where failures are counted.
    """

    def __init__(
        self, store: EventStore | None, users: UserKeys, kinds: Sequence[str], metrics: EventMetrics
    ) -> None:
        self._store = store
        self._users = users
        self._kinds = kinds
        self._metrics = metrics
        self._said_at = float("-inf")

    def of(self, user: str, *, since: int) -> Recent:
        """The newest `N_NEWEST` events; none, and a notice, where the store cannot be read."""
        if self._store is None:
            return NOTHING
        try:
            found = self._store.of_user(self.stored(user), kinds=self._kinds, since=since, limit=N_NEWEST)
        except StoreError as error:
            self._metrics.failed("look_up")
            self._say(error)
            return Recent(notice=UNREAD)
        events = tuple(RecentEvent(*row) for row in found.rows)
        return Recent(events, found.forgotten_at is not None)

    def stored(self, user: str) -> str:
        """See `RecentEvents`."""
        return self._users.stored(user)

    def is_gone(self, key: str) -> bool:
        """See `RecentEvents`; not known to be, where the store cannot be read."""
        if self._store is None:
            return False
        try:
            for name in {key, self.stored(key)}:
                found = self._store.of_user(name, kinds=self._kinds, since=0, limit=1)
                if found.forgotten_at is not None and not found.rows:
                    return True
        except StoreError as error:
            self._metrics.failed("look_up")
            self._say(error)
        return False

    def _say(self, error: StoreError) -> None:
        """One line in a while: a store that is away fails every request."""
        now = time.monotonic()
        if now - self._said_at > QUIET_SECONDS:
            self._said_at = now
            logger.error("event=events_not_read reason=%r", str(error))
