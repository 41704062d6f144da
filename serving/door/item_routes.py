"""Item routes: what is like an item, what belongs to a basket, and what is known of an item."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serving.catalogue.check import checked
from serving.door.schemas import CompleteRequest, ListRules, RecommendResponse, SimilarRequest
from serving.door.wire import Refusal, read, refuse, reply

if TYPE_CHECKING:
    from serving.answers.answerer import Answerer

N_NEIGHBOURS = 10


def item_routes() -> list[Route]:
    """The routes; they need `state.answerer` and `state.metrics`."""
    return [
        Route("/similar", _listed(SimilarRequest, "similar"), methods=["POST"]),
        Route("/complete", _listed(CompleteRequest, "complete"), methods=["POST"]),
        Route("/items/{key:path}", _item),
    ]


def _listed(kind: type[ListRules], name: str) -> Callable[[Request], Any]:
    """Read a body, make its list in a thread, count it."""

    async def endpoint(request: Request) -> Response:
        from serving.answers.query import Unanswerable

        state, asked = request.app.state, await read(request, kind)
        if isinstance(asked, Refusal):
            state.metrics.refused(asked.status)
            return refuse(asked)
        answerer: Answerer = state.answerer.current
        try:
            response: RecommendResponse = await run_in_threadpool(getattr(answerer.without, name), asked)
        except Unanswerable as error:
            state.metrics.refused(400)
            return refuse(Refusal(400, str(error)))
        response = checked(asked, response, answerer, state.metrics)
        state.metrics.answered(asked, response)
        return reply(response)

    return endpoint


async def _item(request: Request) -> Response:
    known = await run_in_threadpool(describe, request.app.state.answerer.current, request.path_params["key"])
    if known is None:
        return refuse(Refusal(404, "no such item: /items?q=TEXT looks keys up."))
    return JSONResponse(known)


def describe(answerer: "Answerer", key: str) -> dict[str, Any] | None:
    """An item's fields, semantic ID and nearest items by content; None where there is no such item."""
    place = answerer.bundle.catalogue.id_of.get(key)
    if place is None:
        return None
    catalogue, items = answerer.bundle.catalogue, answerer.bundle.items
    fields = catalogue.frame.drop("item_key").row(place, named=True)
    known: dict[str, Any] = {"item": key, "title": catalogue.titles[place], "fields": fields}
    if answerer.explainer is None or items is None or answerer.neighbours is None:
        return {**known, "codes": None, "sharing": None, "neighbours": []}
    (spelled,) = answerer.explainer.explain(catalogue.ids([key]), catalogue.ids([]))
    near: list[dict[str, Any]] = []
    if answerer.neighbours.knows(catalogue.ids([key])).all():
        found = answerer.without.similar(SimilarRequest(item=key, k=N_NEIGHBOURS)).items
        near = [{"item": each.item, "title": each.title, "similarity": each.score} for each in found]
    return {**known, "codes": spelled.codes, "sharing": spelled.sharing, "neighbours": near}
