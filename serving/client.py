"""Client: asks a service of Encore from Python, typed, with time-outs and retries; needs no server software.

    client = EncoreClient("http://127.0.0.1:3000", token="...")
    client.recommend(RecommendRequest(user="900", k=5)).items[0].title

Safe in several threads: each has a connection of its own, kept alive.
"""

import http.client
import json
import random
import time
from collections.abc import Callable, Sequence
from threading import local
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from serving.catalogue.schemas import CatalogueChange, CatalogueRevert, CatalogueState
from serving.connection import LOST, Connection, Reply
from serving.door.lookups import Comparison, FoundItem, Info, ItemInfo, Problem, TrialInfo
from serving.door.schemas import (
    CompleteRequest,
    RecommendManyRequest,
    RecommendManyResponse,
    RecommendRequest,
    RecommendResponse,
    RevertRequest,
    SimilarRequest,
    Wire,
)
from serving.events.schemas import EventsRequest, EventsResponse, FeedbackEvent, ForgottenResponse

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.1, 30.0
_TRY_AGAIN = (429, 503)
"""The service says that it did nothing, so any call may be sent again."""

Answer = TypeVar("Answer")


class EncoreError(Exception):
    """The service did not answer with what was asked for.

    Attributes:
        status: of HTTP; 0 where there was no answer at all.
        reason: one line: the rule, what came, what to do.
        id: of the request in the service's log, None where it is not told.
    """

    def __init__(self, status: int, reason: str, request_id: str | None = None) -> None:
        super().__init__(f"{status}: {reason}" if status else reason)
        self.status = status
        self.reason = reason
        self.id = request_id


class EncoreClient:
    """The calls of a service, each with its request and answer as a class.

    A call that gets 429 or 503, or no answer, is sent again after a wait that doubles, or as long as the
    service says. A call that changes something and that twice is too much is not repeated without an answer.
    Every method raises `EncoreError` where there is no answer to return.

    Args:
        url: base URL of the service.
        token: a key of the service; None where it has none.
        timeout: seconds to connect, and between two parts of an answer.
        retries: how often a call is sent again.
        wait: sleeps for some seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout: float = 10.0,
        retries: int = 3,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._open = lambda: Connection(url, token, timeout)
        self._open()  # refuses a wrong URL at once
        self._retries = retries
        self._wait = wait
        self._mine = local()

    def recommend(self, request: RecommendRequest) -> RecommendResponse:
        """The best k items for one history or one user."""
        return self._ask("/recommend", request, RecommendResponse)

    def recommend_many(self, requests: Sequence[RecommendRequest]) -> list[RecommendResponse]:
        """Several questions at once; the answers are in their order."""
        many = RecommendManyRequest(requests=list(requests))
        return self._ask("/recommend/many", many, RecommendManyResponse).answers

    def similar(self, request: SimilarRequest) -> RecommendResponse:
        """What is like an item."""
        return self._ask("/similar", request, RecommendResponse)

    def complete(self, request: CompleteRequest) -> RecommendResponse:
        """What belongs to a basket."""
        return self._ask("/complete", request, RecommendResponse)

    def compare(self, request: RecommendRequest) -> Comparison:
        """What champion and challenger answer to one question."""
        return self._ask("/trial/compare", request, Comparison)

    def revert_trial(self, reason: str) -> TrialInfo:
        """Give the challenger up; the first reason stays, so twice is no harm."""
        return self._ask("/trial/revert", RevertRequest(reason=reason), TrialInfo)

    def catalogue(self) -> CatalogueState:
        """The version of the catalogue, and those before."""
        return self._get("/catalogue", CatalogueState)

    def change_catalogue(self, change: CatalogueChange) -> CatalogueState:
        """Add, change and hide items: all of them or none; twice is as good as once."""
        return _read(self.call("PUT", "/catalogue", _body(change)), CatalogueState)

    def revert_catalogue(self, to: int) -> CatalogueState:
        """Go back to a version of the catalogue."""
        return self._ask("/catalogue/revert", CatalogueRevert(to=to), CatalogueState)

    def tell(self, events: Sequence[FeedbackEvent]) -> EventsResponse:
        """Keep what users did; an event key keeps twice from counting twice."""
        return self._ask("/events", EventsRequest(events=list(events)), EventsResponse)

    def forget(self, user: str) -> ForgottenResponse:
        """Delete a user's events and kept answers."""
        return _read(self.call("DELETE", f"/users/{quote(user, safe='')}"), ForgottenResponse)

    def info(self) -> Info:
        """What is served, and what is on trial."""
        return self._get("/info", Info)

    def item(self, key: str) -> ItemInfo:
        """What is known of an item."""
        return self._get(f"/items/{quote(key, safe='')}", ItemInfo)

    def items(self, text: str) -> list[FoundItem]:
        """At most 20 items by the beginning of their key or words of their title."""
        return self._get(f"/items?q={quote(text)}", list[FoundItem])

    def users(self, text: str) -> list[str]:
        """At most 20 known users by the beginning of their key."""
        return self._get(f"/users?q={quote(text)}", list[str])

    def metrics(self) -> str:
        """Counts and times, in the format of Prometheus."""
        return self.call("GET", "/metrics").body.decode()

    def openapi(self) -> dict[str, Any]:
        """The document of all calls."""
        return dict(json.loads(self.call("GET", "/openapi.json").body))

    def is_ready(self) -> bool:
        """Whether the service answers; asks once and waits for nobody."""
        try:
            return self._connection().send("GET", "/readyz").status == 200
        except LOST:
            return False

    def close(self) -> None:
        """Hang up the connection of this thread."""
        self._connection().close()

    def call(self, method: str, path: str, body: bytes | None = None, *, is_repeatable: bool = True) -> Reply:
        """Any call.

        Args:
            method: of HTTP.
            path: with what follows the question mark.
            body: JSON, or None.
            is_repeatable: whether twice does the same as once.

        Raises:
            EncoreError: another status than 2xx, or no answer.
        """
        for attempt in range(self._retries + 1):
            is_last = attempt == self._retries
            try:
                reply = self._send(method, path, body, is_repeatable=is_repeatable)
            except LOST as error:
                if is_last or not (is_repeatable or isinstance(error, ConnectionRefusedError)):
                    raise EncoreError(0, f"no answer came: {type(error).__name__}: {error}") from error
                self._wait(_pause(attempt))
                continue
            if 200 <= reply.status < 300:
                return reply
            seconds = _told_seconds(reply, attempt)
            if reply.status not in _TRY_AGAIN or is_last or seconds > LONGEST_WAIT_SECONDS:
                raise _error(reply)
            self._wait(seconds)
        raise AssertionError("unreachable")

    def _send(self, method: str, path: str, body: bytes | None, *, is_repeatable: bool) -> Reply:
        """Ask once, or at once again where the service hung up an idle connection."""
        if not is_repeatable:  # over an idle connection nobody knows whether a lost call was carried out
            self._connection().close()
            return self._connection().send(method, path, body)
        try:
            return self._connection().send(method, path, body)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            return self._connection().send(method, path, body)

    def _connection(self) -> Connection:
        if not hasattr(self._mine, "connection"):
            self._mine.connection = self._open()
        connection: Connection = self._mine.connection
        return connection

    def _ask(self, path: str, request: Wire, kind: type[Answer]) -> Answer:
        return _read(self.call("POST", path, _body(request)), kind)

    def _get(self, path: str, kind: type[Answer]) -> Answer:
        return _read(self.call("GET", path), kind)


def _body(request: Wire) -> bytes:
    return request.model_dump_json(exclude_defaults=True).encode()


def _read(reply: Reply, kind: type[Answer]) -> Answer:
    """The answer as its class; what a newer service says beside it is passed over."""
    try:
        return TypeAdapter(kind).validate_json(reply.body, extra="ignore")
    except ValidationError as error:
        reason = f"an answer must be a {kind}, but is not: ask a service of this version. {error}"
        raise EncoreError(reply.status, reason) from error


def _error(reply: Reply) -> EncoreError:
    request_id = reply.headers.get("x-request-id")
    try:
        return EncoreError(reply.status, Problem.model_validate_json(reply.body).error, request_id)
    except ValidationError:  # not of the service, but of something on the way
        return EncoreError(reply.status, reply.body[:200].decode(errors="replace"), request_id)


def _told_seconds(reply: Reply, attempt: int) -> float:
    told = reply.headers.get("retry-after", "")
    return float(told) if told.isdecimal() else _pause(attempt)


def _pause(attempt: int) -> float:
    """Seconds before another attempt: doubled each time, and not the same for all clients."""
    longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0**attempt)
    return longest * random.uniform(0.5, 1.0)
