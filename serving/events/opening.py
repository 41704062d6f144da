"""Opening: the event store that the settings name, and what a service makes of it."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.event_store import open_store
from data.event_store.event import EventStore
from serving.answers.answer_log import AnswerLog
from serving.events.feedback import Feedback
from serving.events.metrics import EventMetrics
from serving.events.recent import StoredEvents
from serving.settings import events, events_kinds, user_keys

if TYPE_CHECKING:  # the supervisor process imports this file too and needs no torch
    from serving.trial.arm import Served

logger = logging.getLogger(__name__)


def check_events() -> None:
    """Stop a service that could never keep events.

    Raises:
        ValueError: a setting is wrong, or the store has another format or other user keys.
        StoreError: the store is a file and cannot be opened.
    """
    events_kinds()
    address, users = events(), user_keys()
    if address is not None:
        open_store(address, users).close()


@dataclass(frozen=True, slots=True)
class Events:
    """The store of a service.

    Attributes:
        store: None where feedback is not kept.
        recent: looks up users; None where neither events are kept nor user keys hashed.
        metrics: of both ways.
    """

    store: EventStore | None
    recent: StoredEvents | None
    metrics: EventMetrics

    @classmethod
    def open(cls) -> "Events":
        """What the settings ask for.

        Raises:
            ValueError: a setting is wrong, or the store has another format or other user keys.
            StoreError: the store is a file and cannot be opened. A database may come later.
        """
        address, users, metrics = events(), user_keys(), EventMetrics()
        store = None if address is None else open_store(address, users)
        if store is None and not users.are_hashed:
            return cls(None, None, metrics)
        if address is not None:
            logger.info("event=events_kept store=%s users_hashed=%s", address.name, users.are_hashed)
        return cls(store, StoredEvents(store, users, events_kinds(), metrics), metrics)

    def feedback(self, log: AnswerLog | None, served: "Served") -> Feedback | None:
        """What takes events; None where none are kept.

        Args:
            log: kept answers.
            served: whose items are known.
        """
        if self.store is None:
            return None

        def knows_item(key: str) -> bool:
            return key in served.current.bundle.catalogue.id_of

        return Feedback(self.store, user_keys(), events_kinds(), log, knows_item, self.metrics)
