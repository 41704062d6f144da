"""Guard: stands before every path: lets in who may, ends what takes too long, dresses and notes each answer.

What the table of calls does not have does not exist, and neither do BentoML's own extra routes. Our own calls
go from here to their endpoints: the five middlewares and two routers of BentoML around them took two thirds
of the time of the event loop. Its middlewares stay in the way where they collect spans.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import click
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access.admission import Admission, Visit, is_loopback
from serving.access.headers import Header, dressed
from serving.access.limits import Load
from serving.access.metrics import DoorMetrics
from serving.access.request_log import RequestLog
from serving.access.stages import CURRENT
from serving.door.wire import LUGGAGE, Refusal, refuse
from serving.settings import (
    TOKEN_VARIABLE,
    TOKENS_FILE_VARIABLE,
    collects_spans,
    keyring,
    limits,
    logs_requests,
    origins,
)

logger = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]


class Guard:
    """ASGI middleware before the whole service.

    Args:
        app: the service.
        version: names what is served, for the log.
        make_metrics: where requests are counted; None: nowhere.
        pages: of the service; its asynchronous endpoints are called without a way through routers.
    """

    def __init__(
        self,
        app: ASGIApp,
        version: Callable[[], str | None] = lambda: None,
        make_metrics: Callable[[], DoorMetrics] | None = None,
        pages: Starlette | None = None,
    ) -> None:
        self.app = app
        self._pages = pages
        self._direct = {} if pages is None else _endpoints(pages)
        self._version = version
        self._metrics = None if make_metrics is None else make_metrics()
        self._load = Load(limits())
        self._admission = Admission(keyring(), self._load.limits, self._load)
        self._origins = origins()
        self._log = RequestLog() if logs_requests() else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "websocket":  # nothing here speaks it
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http":
            visit = Visit.of(scope)
            try:
                await self._serve(scope, receive, send, visit)
            finally:
                self._note(visit)
        else:
            self._step_forward(scope)
            await self.app(scope, receive, send)

    def _step_forward(self, scope: Scope) -> None:
        """Before the first request: be the outermost middleware, if nobody needs those that were."""
        if scope["type"] == "lifespan" and self._direct and not collects_spans():
            scope["app"].middleware_stack = self

    async def _serve(self, scope: Scope, receive: Receive, send: Send, visit: Visit) -> None:
        origin = visit.headers.get("origin", "").encode("latin-1")
        way = _Way(send, visit, self._origins.headers(origin))
        if visit.method == "OPTIONS":
            told = self._origins.preflight(origin, list(self._admission.methods(scope)))
            if told is not None:
                return await way.say(Response(status_code=204, headers=told), scope, receive)
        refusal = self._admission.refusal(scope, visit)
        if refusal is not None:
            return await way.say(refuse(refusal), scope, receive)
        await self._answer(scope, receive, way)

    async def _answer(self, scope: Scope, receive: Receive, way: "_Way") -> None:
        """Let the service answer, in time; what goes wrong is told in one line."""
        visit = way.visit
        token = CURRENT.set(visit.stages)
        deadline = asyncio.timeout(self._load.limits.timeout_seconds)
        refusal = None
        try:
            with self._load.request() as luggage:
                scope[LUGGAGE] = luggage
                if visit.is_probe and self._metrics is not None:  # whoever asks for counts gets this one
                    self._metrics.in_flight(self._load.requests)
                async with deadline:
                    await self._pass(scope, receive, way.send)
        except Exception as error:
            if visit.status:  # half an answer is out: only a broken connection can tell
                raise
            if deadline.expired():
                refusal = visit.reject("time-out", self._late())
            else:
                logger.error("event=request_failed id=%s", visit.id, exc_info=error)
                refusal = _failure(visit)
        finally:
            CURRENT.reset(token)
        if way.withheld == 500:
            logger.error("event=request_failed id=%s: see the trace above", visit.id)
            refusal = _failure(visit)
        elif way.withheld:
            refusal = Refusal(way.withheld, f"{scope['path'][:60]!r} is not there: see /openapi.json.")
        if refusal is not None:
            await way.say(refuse(refusal), scope, receive)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._direct.get((scope["method"], scope["path"]))
        if endpoint is None:
            await self.app(scope, receive, send)
        else:
            scope["app"] = self._pages
            await (await endpoint(Request(scope, receive, send)))(scope, receive, send)

    def _late(self) -> Refusal:
        limit = self._load.limits.timeout_seconds
        return Refusal(
            504, f"an answer may take {limit:g} s, but takes longer: ask for less, or again later."
        )

    def _note(self, visit: Visit) -> None:
        """Count and log a visit that is over."""
        visit.stages.end()
        path = None if visit.call is None else visit.call.path
        if self._metrics is not None:
            self._metrics.done(path, visit.status, visit.rejected, visit.stages)
        if self._log is not None and not visit.is_probe:
            self._log.note(
                visit.stages,
                request_id=visit.id,
                method=visit.method,
                path=path,
                status=visit.status,
                key=None if visit.caller is None else visit.caller.name,
                version=self._version(),
            )


def _endpoints(pages: Starlette) -> dict[tuple[str, str], Endpoint]:
    """By method and path; those with a part of the path to read, or that run in a thread, are left out."""
    return {
        (method, route.path): route.endpoint
        for route in pages.routes
        if isinstance(route, Route) and asyncio.iscoroutinefunction(route.endpoint) and "{" not in route.path
        for method in route.methods or ()
    }


class _Way:
    """The way of one answer to its caller.

    Attributes:
        visit: that it belongs to.
        withheld: status of an answer that is not passed on, 0 for none: 500, which has no id and may tell too
            much, and errors that are not JSON, such as those of a router.
    """

    def __init__(self, send: Send, visit: Visit, origin: Sequence[Header]) -> None:
        self.visit = visit
        self.withheld = 0
        self._send = send
        self._origin = origin

    async def send(self, message: Message) -> None:
        """Pass a message of the service on."""
        if message["type"] == "http.response.start" and _is_to_be_withheld(message):
            self.withheld = message["status"]
        elif not self.withheld:
            await self._pass_on(message)

    async def say(self, response: Response, scope: Scope, receive: Receive) -> None:
        """Answer instead of the service."""
        await response(scope, receive, self._pass_on)

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.visit.status = message["status"]
            headers = dressed(message.get("headers", ()), self.visit.id, self._origin)
            message = {**message, "headers": headers}
        await self._send(message)


def _is_to_be_withheld(start: Message) -> bool:
    status = start["status"]
    return status == 500 or (status >= 400 and (b"content-type", b"application/json") not in start["headers"])


def _failure(visit: Visit) -> Refusal:
    reason = "an answer needs the service to work, but it failed: find the id in its log, or send it again."
    return Refusal(500, reason, id=visit.id)


def check_host(host: str, *, has_token: bool) -> None:
    """Refuse to open a service to other machines without a token.

    Raises:
        ValueError: `host` is not loopback and there is no token.
    """
    if not has_token and not is_loopback(host):
        raise ValueError(
            f"a service that other machines reach needs a token, but got {host} and no {TOKEN_VARIABLE}: "
            f"set {TOKEN_VARIABLE} or {TOKENS_FILE_VARIABLE}, or bind to 127.0.0.1."
        )


def host_of_command() -> str | None:
    """The host that `bentoml serve` was told on its command line or in BENTOML_HOST, None if not told."""
    context: Any = click.get_current_context(silent=True)
    return None if context is None else context.params.get("host")
