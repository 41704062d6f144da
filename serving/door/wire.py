"""Wire: bytes of a request to a checked request or a refusal; the one place that reads a body.

BentoML's own refusals are Python tracebacks in the log and a list of pydantic errors for the caller.
"""

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import bentoml
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from serving.door.schemas import RecommendManyRequest, RecommendRequest, Wire, explain

MAX_BODY_BYTES = 4 * 2**20

Body = TypeVar("Body", bound=Wire)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered, as HTTP status and one line for people."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Asked(Generic[Body]):
    """What came over the wire: a checked body, or a refusal."""

    body: Body | Refusal


class RecommendBody(bentoml.IODescriptor, RecommendRequest):  # type: ignore[misc]
    """One question: a history or a known user, and what may be in the list."""

    __root_input__: ClassVar[bool] = True  # the whole JSON body, not a field of it

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Any:
        """Read `request`, whatever content type it claims."""
        return await read(request, RecommendRequest)


class RecommendManyBody(bentoml.IODescriptor, RecommendManyRequest):  # type: ignore[misc]
    """Several questions that are answered together."""

    __root_input__: ClassVar[bool] = True  # the whole JSON body, not a field of it

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Any:
        """Read `request`, whatever content type it claims."""
        return await read(request, RecommendManyRequest)


async def read(request: Request, kind: type[Body]) -> Asked[Body]:
    """The checked body of `request`, or why it is refused (400, 413)."""
    body = await read_bytes(request)
    if isinstance(body, Refusal):
        return Asked(body)
    try:
        return Asked(kind.model_validate_json(body))
    except ValidationError as error:
        return Asked(Refusal(400, explain(error)))


async def read_bytes(request: Request, max_bytes: int = MAX_BODY_BYTES) -> bytes | Refusal:
    """The body of `request` as it came, or why it is refused (413)."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            reason = f"a body may have {max_bytes} bytes, but got more: send fewer or shorter keys."
            return Refusal(413, reason)
    return bytes(body)


def not_json(request: Request, what: str) -> Refusal | None:
    """Why `what`, which changes something, is refused: a page of another site can send what is not JSON."""
    if request.headers.get("content-type", "").partition(";")[0].strip() == "application/json":
        return None
    return Refusal(415, f"{what} must be JSON: send content-type: application/json.")


def reply(answer: Wire) -> Response:
    """An answer as JSON."""
    return Response(answer.model_dump_json(), media_type="application/json")


def refuse(refusal: Refusal) -> Response:
    """A refusal as JSON: {"error": one line}."""
    return Response(json.dumps({"error": refusal.reason}), refusal.status, media_type="application/json")
