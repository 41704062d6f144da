"""Routes of the live catalogue: GET, PUT /catalogue, POST /catalogue/revert; `door/pages.py` mounts them."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from serving.catalogue.schemas import CatalogueChange, CatalogueRevert, CatalogueState
from serving.catalogue.turns import short_turns
from serving.door.schemas import explain
from serving.door.wire import Refusal, not_json, read, read_bytes, refuse, reply

if TYPE_CHECKING:
    from serving.catalogue.live import LiveCatalogue

logger = logging.getLogger(__name__)

MAX_CHANGE_BYTES = 32 * 2**20


def catalogue_routes() -> list[BaseRoute]:
    """The routes; whoever loads the models sets `state.live` of the app."""
    return [
        Route("/catalogue", _show, methods=["GET"]),
        Route("/catalogue", _change, methods=["PUT"]),
        Route("/catalogue/revert", _revert, methods=["POST"]),
    ]


def _live(request: Request) -> "LiveCatalogue":
    live: LiveCatalogue = request.app.state.live
    return live


def _show(request: Request) -> Response:
    return reply(_live(request).state())


async def _change(request: Request) -> Response:
    if (refusal := not_json(request, "a change")) is not None:
        return refuse(refusal)
    body = await read_bytes(request, MAX_CHANGE_BYTES)
    if isinstance(body, Refusal):
        return refuse(body)
    try:
        change = await asyncio.to_thread(_read, body)
    except ValidationError as error:
        return refuse(Refusal(400, explain(error)))
    return await _acted(_live(request).change(change))


def _read(body: bytes) -> CatalogueChange:
    """In a worker thread: a tenth of a second for 10,000 items."""
    with short_turns():
        return CatalogueChange.model_validate_json(body)


async def _revert(request: Request) -> Response:
    if (refusal := not_json(request, "a change")) is not None:
        return refuse(refusal)
    asked = await read(request, CatalogueRevert)
    if isinstance(asked, Refusal):
        return refuse(asked)
    return await _acted(_live(request).revert(asked.to))


async def _acted(act: Awaitable[CatalogueState]) -> Response:
    """The new state, or why nothing changed: 409, or 507 where the act could not be kept."""
    try:
        state = await act
    except ValueError as error:
        return refuse(Refusal(409, str(error)))
    except OSError as error:
        logger.error("event=catalogue_not_kept reason=%s", error)
        said = f"a change must be kept on disk, but it could not be ({error.strerror}): nothing changed; "
        return refuse(Refusal(507, said + "make room, then send it again."))
    logger.info("event=catalogue_changed version=%s items=%s", state.version, state.items)
    return reply(state)
