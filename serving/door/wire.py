"""Wire: bytes of a request to a checked request or a refusal; the one place that reads a body.

BentoML's own refusals are Python tracebacks in the log and a list of pydantic errors for the caller.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from serving.access.limits import Luggage
from serving.access.stages import CURRENT
from serving.door.schemas import Wire, explain

MAX_BODY_BYTES = 4 * 2**20
LUGGAGE = "encore.luggage"
"""Where the guard leaves in a scope what counts the bytes of the body."""

Body = TypeVar("Body", bound=Wire)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered, as HTTP status and one line for people.

    Attributes:
        status: of HTTP.
        reason: the rule, what came, what to do.
        headers: that the status asks for, such as Retry-After.
        id: of the request, where people need it to find what is in the log.
    """

    status: int
    reason: str
    headers: Mapping[str, str] = field(default_factory=dict)
    id: str | None = None


async def read(request: Request, kind: type[Body], *, max_bytes: int = MAX_BODY_BYTES) -> Body | Refusal:
    """The checked body of `request`, or why it is refused (400, 413, 503)."""
    body = await read_bytes(request, max_bytes)
    try:
        return body if isinstance(body, Refusal) else kind.model_validate_json(body)
    except ValidationError as error:
        return Refusal(400, explain(error))
    finally:
        stages = CURRENT.get()
        if stages is not None:
            stages.body_read()


async def read_bytes(request: Request, max_bytes: int = MAX_BODY_BYTES) -> bytes | Refusal:
    """The bytes of a body; what is too much is refused before it is held."""
    too_large = Refusal(413, f"a body may have {max_bytes} bytes, but got more: send fewer or shorter keys.")
    if _told_bytes(request) > max_bytes:
        return too_large
    luggage: Luggage | None = request.scope.get(LUGGAGE)
    body = bytearray()
    try:
        async for chunk in request.stream():
            if len(body) + len(chunk) > max_bytes:
                return too_large
            if luggage is not None and not luggage.add(len(chunk)):
                return Refusal(
                    503,
                    "all bodies together must fit into memory, but too many large ones came at once: "
                    "send it again later.",
                    {"Retry-After": "1"},
                )
            body += chunk
    except ClientDisconnect:
        return Refusal(400, "a body must come to its end, but the connection was closed: send all of it.")
    return bytes(body)


def not_json(request: Request, what: str) -> Refusal | None:
    """Why `what`, which changes something, is refused: a page of another site can send what is not JSON."""
    if request.headers.get("content-type", "").partition(";")[0].strip() == "application/json":
        return None
    return Refusal(415, f"{what} must be JSON: send content-type: application/json.")


def _told_bytes(request: Request) -> int:
    """What the header says; the server refuses what is not a number."""
    told = request.headers.get("content-length", "0")
    return int(told) if len(told) < 20 and told.isdecimal() else 0


def reply(answer: Wire) -> Response:
    """An answer as JSON."""
    return Response(answer.model_dump_json(), media_type="application/json")


def refuse(refusal: Refusal) -> Response:
    """A refusal as JSON: {"error": one line}, and the id of the request where people need it."""
    body = {"error": refusal.reason} | ({} if refusal.id is None else {"id": refusal.id})
    return Response(
        json.dumps(body), refusal.status, headers=dict(refusal.headers), media_type="application/json"
    )
