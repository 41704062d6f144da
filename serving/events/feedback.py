"""Feedback: what the service does with events: keep them, judge the answers they name, forget a user."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from data.event_store.event import Added, Clash, Event, EventStore, StoreError
from data.event_store.users import UserKeys
from serving.answers.answer_log import AnswerLog
from serving.answers.batching import BatchConfig, MicroBatcher
from serving.door.schemas import RecommendRequest, RecommendResponse
from serving.door.wire import Refusal
from serving.events.live_hits import LiveHits
from serving.events.metrics import Call, EventMetrics
from serving.events.schemas import LEFT, EventsRequest, EventsResponse, FeedbackEvent, ForgottenResponse

logger = logging.getLogger(__name__)

BODIES_AT_ONCE = 256
MAX_AHEAD_SECONDS = 86_400
RETRY = "nothing of this call is kept or deleted: send it again later."


class Feedback:
    """The event store behind a service; belongs to one event loop.

    Bodies that come while the disk is busy share the next transaction, and so its sync.

    Args:
        store: where events are kept.
        users: how it writes user keys.
        kinds: kinds of events that are judged.
        log: kept answers, None where none are kept.
        knows_item: whether the catalogue has an item.
        metrics: where it is counted.
    """

    def __init__(
        self,
        store: EventStore,
        users: UserKeys,
        kinds: Sequence[str],
        log: AnswerLog | None,
        knows_item: Callable[[str], bool],
        metrics: EventMetrics,
    ) -> None:
        self._store = store
        self._users = users
        self._kinds = frozenset(kinds)
        self._log = log
        self._knows_item = knows_item
        self._metrics = metrics
        self._live = LiveHits()
        self._batcher: MicroBatcher[Sequence[Event], Added | Clash | StoreError] = MicroBatcher(
            self._add_all, BatchConfig(max_batch=BODIES_AT_ONCE)
        )

    async def add(self, request: EventsRequest) -> EventsResponse | Refusal:
        """Keep a body of events; returns once they are on disk, or why nothing is kept (400, 409, 503)."""
        start, now = time.perf_counter(), time.time()
        for number, each in enumerate(request.events):
            if each.timestamp is not None and each.timestamp > now + MAX_AHEAD_SECONDS:
                return Refusal(400, _ahead(number, each.timestamp, now))
        events = [self._event(each, int(now)) for each in request.events]
        done = await self._batcher.ask(events)
        if isinstance(done, StoreError):
            return self._failed("add", done)
        if isinstance(done, Clash):
            return Refusal(409, _clash(done))
        for event in done.new:
            if event.kind in self._kinds and (judged := self._live.judge(event, now)) is not None:
                self._metrics.judged(judged)
        unknown = [event.item_key for event in events if not self._knows_item(event.item_key)]
        counts = {"new": len(done.new), "known": done.known, "forgotten": done.forgotten}
        self._metrics.added(**counts, unknown_items=len(unknown), seconds=time.perf_counter() - start)
        return EventsResponse(**counts, unknown_items=list(dict.fromkeys(unknown)))

    async def forget(self, user: str) -> ForgottenResponse | Refusal:
        """Delete a user's events and kept answers, for good (503 where the store is away)."""
        now, stored = int(time.time()), self._users.stored(user)
        try:
            n_events = await asyncio.to_thread(self._store.forget, stored, now)
            n_answers = 0
            if self._log is not None:
                n_answers = await asyncio.to_thread(self._log.forget, {user, stored})
        except StoreError as error:
            return self._failed("forget", error)
        except OSError as error:
            self._metrics.failed("forget")
            return Refusal(503, f"the events are deleted, but the kept answers are not: {error}: ask again.")
        self._live.forget(stored)
        logger.info("event=user_forgotten events=%d answers=%d", n_events, n_answers)
        return ForgottenResponse(events=n_events, answers=n_answers, forgotten_at=now, notice=LEFT)

    def shown(self, request: RecommendRequest, response: RecommendResponse) -> None:
        """Remember an answer, so that events can be joined to it."""
        user = None if request.user is None else self._users.stored(request.user)
        items = tuple(each.item for each in response.items)
        self._live.shown(response.id, user, response.arm or "champion", items, time.time())

    async def close(self) -> None:
        """Let go of the store; bodies that still wait are not acknowledged."""
        await self._batcher.close()
        self._store.close()

    def _add_all(self, bodies: Sequence[Sequence[Event]]) -> list[Added | Clash | StoreError]:
        """A store that fails one body fails all: asking again for each would keep everybody waiting."""
        try:
            return [*self._store.add(bodies)]
        except StoreError as error:
            return [error] * len(bodies)

    def _event(self, sent: FeedbackEvent, now: int) -> Event:
        return Event(
            event_key=sent.event_key,
            user_key=self._users.stored(sent.user),
            item_key=sent.item,
            timestamp=now if sent.timestamp is None else sent.timestamp,
            kind=sent.kind,
            basket_key=sent.basket,
            answer=sent.answer,
            is_timed=sent.timestamp is not None,
        )

    def _failed(self, call: Call, error: StoreError) -> Refusal:
        self._metrics.failed(call)
        logger.error("event=event_store_failed call=%s reason=%r", call, str(error))
        return Refusal(503, f"the event store must be there, but it is not ({error}): {RETRY}")


def _ahead(number: int, timestamp: int, now: float) -> str:
    return (
        f"events.{number}.timestamp: no event may be more than a day ahead of this service, but got "
        f"{timestamp} at {now:.0f}: send Unix seconds UTC, and set the clock."
    )


def _clash(clash: Clash) -> str:
    more = f" and {len(clash.keys) - 1} more" if len(clash.keys) > 1 else ""
    return (
        f"an event_key names one event, but {clash.keys[0]!r}{more} came before with other content: nothing "
        "of this call is kept; choose new keys for new events."
    )
