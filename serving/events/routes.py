"""Event routes: `POST /events` and `DELETE /users/{user}`: translate, call, translate."""

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from data.event_store.address import EVENTS_VARIABLE
from serving.door.schemas import Wire
from serving.door.wire import Refusal, not_json, read, refuse, reply
from serving.events.schemas import EventsRequest

if TYPE_CHECKING:
    from serving.events.feedback import Feedback

NOT_KEPT = Refusal(
    404,
    f"feedback needs a store, but the service has none: set {EVENTS_VARIABLE} to the path of a SQLite file "
    "or a postgresql:// URL and start it again.",
)


def event_routes() -> list[Route]:
    """The routes; `state.feedback` of their app is a `Feedback`, or None where events are not kept."""
    return [
        Route("/events", _add, methods=["POST"]),
        Route("/users/{user:path}", _forget, methods=["DELETE"]),
    ]


async def _add(request: Request) -> Response:
    feedback: Feedback | None = request.app.state.feedback
    if (refusal := not_json(request, "a body of events")) is not None:
        return _answered(request, refusal)
    if feedback is None:
        return _answered(request, NOT_KEPT)
    body = await read(request, EventsRequest)
    return _answered(request, body if isinstance(body, Refusal) else await feedback.add(body))


async def _forget(request: Request) -> Response:
    feedback: Feedback | None = request.app.state.feedback
    if feedback is None:
        return _answered(request, NOT_KEPT)
    return _answered(request, await feedback.forget(request.path_params["user"]))


def _answered(request: Request, done: Wire | Refusal) -> Response:
    """What was done, or why not; the latter is counted."""
    if isinstance(done, Refusal):
        request.app.state.metrics.refused(done.status)
        return refuse(done)
    return reply(done)
