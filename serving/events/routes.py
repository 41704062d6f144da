"""Event routes: `POST /events` and `DELETE /users/{user}`: translate, call, translate."""

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from data.event_store.address import EVENTS_VARIABLE
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
    if (refusal := not_json(request, "a body of events")) is not None:
        return refuse(refusal)
    feedback: Feedback | None = request.app.state.feedback
    if feedback is None:
        return refuse(NOT_KEPT)
    asked = await read(request, EventsRequest)
    if isinstance(asked.body, Refusal):
        return refuse(asked.body)
    done = await feedback.add(asked.body)
    return refuse(done) if isinstance(done, Refusal) else reply(done)


async def _forget(request: Request) -> Response:
    feedback: Feedback | None = request.app.state.feedback
    if feedback is None:
        return refuse(NOT_KEPT)
    done = await feedback.forget(request.path_params["user"])
    return refuse(done) if isinstance(done, Refusal) else reply(done)
