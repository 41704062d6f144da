"""Pages: the page at `/`, `/info`, what the page looks up, and the way to give a challenger up."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from serving.access.metrics import exposition
from serving.catalogue.routes import catalogue_routes
from serving.door.item_routes import item_routes
from serving.door.openapi import openapi
from serving.door.questions import question_routes
from serving.door.schemas import RecommendRequest, RevertRequest
from serving.door.wire import Refusal, not_json, read, refuse
from serving.events.routes import event_routes

if TYPE_CHECKING:
    from serving.answers.answerer import Answerer
    from serving.trial.trial import Trial

PAGE = Path(__file__).with_name("page")
POLICY = "default-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
N_FOUND = 20


def pages() -> Starlette:
    """The routes; `state` gets answerer, champion, live, metrics, questions, trial and feedback.

    The answerer's `current` is asked anew each time.
    """
    app = Starlette(
        routes=[
            Route("/", _page),
            Mount("/page", StaticFiles(directory=PAGE)),
            Route("/info", _info),
            Route("/items", _looked_up(find_items)),
            Route("/users", _looked_up(find_users)),
            *question_routes(),
            Route("/trial/revert", _revert, methods=["POST"]),
            Route("/trial/compare", _compare, methods=["POST"]),
            *item_routes(),
            *catalogue_routes(),
            *event_routes(),
            Route("/metrics", _metrics),
            Route("/openapi.json", _openapi),
            Route("/docs.json", _openapi),
        ]
    )
    app.state.trial = app.state.feedback = None
    return app


def _page(request: Request) -> Response:
    return FileResponse(PAGE / "index.html", headers={"Content-Security-Policy": POLICY})


def _info(request: Request) -> Response:
    trial: Trial | None = request.app.state.trial
    on_trial = None if trial is None else trial.info()
    return JSONResponse({**info(request.app.state.answerer.current), "trial": on_trial})


def _metrics(request: Request) -> Response:
    content, media_type = exposition()
    return Response(content, media_type=media_type)


def _openapi(request: Request) -> Response:
    return JSONResponse(openapi())


async def _revert(request: Request) -> Response:
    """Give the challenger up by hand."""
    if (refusal := not_json(request, "a revert")) is not None:
        return refuse(refusal)
    asked = await read(request, RevertRequest)
    if isinstance(asked, Refusal):
        return refuse(asked)
    trial: Trial | None = request.app.state.trial
    if trial is None:
        return refuse(Refusal(404, "a revert needs a trial, but none is running: see /info."))
    trial.record.revert("by hand", asked.reason)
    return JSONResponse(trial.info())


async def _compare(request: Request) -> Response:
    """The lists of both models for one question; nobody's trial counts it."""
    from serving.answers.query import Unanswerable

    asked, trial = await read(request, RecommendRequest), request.app.state.trial
    if isinstance(asked, Refusal):
        return refuse(asked)
    if trial is None or trial.challenger is None:
        return refuse(Refusal(404, "a comparison needs a challenger, but there is none: see /info."))
    arms = (request.app.state.champion, trial.challenger)
    try:
        answered = [(await arm.ask(asked))[0].response for arm in arms]
    except Unanswerable as error:
        return refuse(Refusal(400, str(error)))
    names = (arm.name for arm in arms)
    return JSONResponse({name: each.model_dump() for name, each in zip(names, answered, strict=True)})


def _looked_up(look: Callable[["Answerer", str], object]) -> Callable[[Request], Response]:
    def endpoint(request: Request) -> Response:
        return JSONResponse(look(request.app.state.answerer.current, request.query_params.get("q", "")))

    return endpoint


def info(answerer: "Answerer") -> dict[str, object]:
    """What is served: lineage, sizes, and the fields that `filters` may name."""
    return {
        "lineage": answerer.lineage.model_dump(),
        "n_items": len(answerer.bundle.catalogue),
        "n_users": len(answerer.bundle.user_keys),
        "fields": answerer.rules.fields,
        "numbers": answerer.bundle.catalogue.number_fields,
        "explains": answerer.explainer is not None,
        "catalogue": answerer.version,
    }


def find_items(answerer: "Answerer", text: str) -> list[dict[str, str]]:
    """At most 20 items whose key starts with `text` or whose title holds all its words, by dense id."""
    words = text.casefold().split()
    catalogue = answerer.bundle.catalogue
    found = []
    for key, title in zip(catalogue.keys, catalogue.titles, strict=True):
        folded = title.casefold()
        if key.startswith(text) or all(word in folded for word in words):
            found.append({"item": key, "title": title})
        if len(found) == N_FOUND:
            break
    return found


def find_users(answerer: "Answerer", text: str) -> list[str]:
    """At most 20 known users, not deleted, whose key starts with `text`, in order."""
    return list(islice(answerer.users(text), N_FOUND))
