"""Calls: the table of all that can be asked, who may ask it, and what goes in and out.

The guard reads it (what is not in it does not exist), the OpenAPI document is made from it, and a test
holds it against the routes of the service. A new call is a line here.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from serving.access.keys import Role
from serving.catalogue.schemas import CatalogueChange, CatalogueRevert, CatalogueState
from serving.door import examples
from serving.door.lookups import Comparison, FoundItem, Info, ItemInfo, TrialInfo
from serving.door.schemas import (
    CompleteRequest,
    RecommendManyRequest,
    RecommendManyResponse,
    RecommendRequest,
    RecommendResponse,
    RevertRequest,
    SimilarRequest,
)
from serving.events.schemas import LEFT, EventsRequest, EventsResponse, ForgottenResponse

Method = Literal["GET", "POST", "PUT", "DELETE"]


@dataclass(frozen=True, slots=True)
class Call:
    """One method of one path.

    Attributes:
        method: GET answers HEAD, too.
        path: `{name}` stands for the rest of the path.
        role: what a key needs; None: open to everybody, because it tells nothing.
        summary: one line for people.
        asks: what the body must be; None: there is none.
        answers: what comes back with 200: a schema, (schema,) for a list of it, or a media type.
        query: names of what may follow the question mark, with what they say.
        example: a body.
        gives: what such a request may get.
        refusals: statuses beside those that every call with its role and body can get.
        is_probe: asked by machines all the time: never sent away for being too many, never logged.
        is_documented: False for parts of the page.
    """

    method: Method
    path: str
    role: Role | None
    summary: str
    asks: type[BaseModel] | None = None
    answers: type[BaseModel] | tuple[type[BaseModel] | type[str]] | str = "text/plain"
    query: dict[str, str] = field(default_factory=dict)
    example: Any = None
    gives: Any = None
    refusals: tuple[int, ...] = ()
    is_probe: bool = False
    is_documented: bool = True


_FIND = {"q": "Beginning of a key, or words of a title."}

CALLS: tuple[Call, ...] = (
    Call("GET", "/", None, "The page to try it.", answers="text/html"),
    Call("GET", "/page/{file}", None, "Its style and script.", is_documented=False),
    Call("GET", "/livez", None, "Whether the process lives.", is_probe=True),
    Call("GET", "/healthz", None, "The same as /livez.", is_probe=True),
    Call("GET", "/readyz", None, "Whether it is loaded, warm and proven.", is_probe=True),
    Call("GET", "/metrics", "read", "Counts and times for Prometheus.", is_probe=True),
    Call("GET", "/openapi.json", "read", "This document.", answers="application/json"),
    Call("GET", "/docs.json", "read", "The same as /openapi.json.", answers="application/json"),
    Call("GET", "/info", "read", "What is served, and what is on trial.", answers=Info, gives=examples.INFO),
    Call(
        "GET",
        "/items",
        "read",
        "At most 20 items by key or title.",
        answers=(FoundItem,),
        query=_FIND,
        gives=[{"item": "995242", "title": "white milk"}],
    ),
    Call(
        "GET",
        "/items/{key}",
        "read",
        "An item's fields, semantic ID and nearest items.",
        answers=ItemInfo,
        gives=examples.ITEM,
        refusals=(404,),
    ),
    Call(
        "GET",
        "/users",
        "read",
        "At most 20 known users by the beginning of their key.",
        answers=(str,),
        query={"q": "Beginning of a key."},
        gives=["900", "9001"],
    ),
    Call(
        "POST",
        "/recommend",
        "read",
        "The best k items for one history or one user.",
        asks=RecommendRequest,
        answers=RecommendResponse,
        example={"history": ["1082185", "995242"], "k": 5},
        gives=examples.ANSWER,
    ),
    Call(
        "POST",
        "/recommend/many",
        "read",
        "Several questions at once; the answers are those of one by one.",
        asks=RecommendManyRequest,
        answers=RecommendManyResponse,
        example={"requests": [{"history": ["1082185"], "k": 5}, {"history": []}]},
        gives={"answers": [examples.ANSWER, examples.ANSWER]},
    ),
    Call(
        "POST",
        "/similar",
        "read",
        "What is like an item.",
        asks=SimilarRequest,
        answers=RecommendResponse,
        example={"item": "995242", "k": 5},
        gives=examples.ANSWER,
    ),
    Call(
        "POST",
        "/complete",
        "read",
        "What belongs to a basket.",
        asks=CompleteRequest,
        answers=RecommendResponse,
        example={"basket": ["995242", "1082185"], "k": 5},
        gives=examples.ANSWER,
    ),
    Call(
        "POST",
        "/trial/compare",
        "read",
        "The lists of champion and challenger for one question; no trial counts it.",
        asks=RecommendRequest,
        answers=Comparison,
        example={"history": ["1082185", "995242"], "k": 5},
        gives={"champion": examples.ANSWER, "challenger": examples.ANSWER},
        refusals=(404,),
    ),
    Call(
        "GET",
        "/catalogue",
        "read",
        "The version of the catalogue, and those before.",
        answers=CatalogueState,
        gives=examples.CATALOGUE,
    ),
    Call(
        "PUT",
        "/catalogue",
        "admin",
        "Add, change and hide items: all of them or none.",
        asks=CatalogueChange,
        answers=CatalogueState,
        example={"items": [{"item": "995242", "hidden": True}]},
        gives=examples.CATALOGUE,
        refusals=(409, 507),
    ),
    Call(
        "POST",
        "/catalogue/revert",
        "admin",
        "Go back to an earlier version of the catalogue.",
        asks=CatalogueRevert,
        answers=CatalogueState,
        example={"to": 0},
        gives=examples.CATALOGUE,
        refusals=(409, 507),
    ),
    Call(
        "POST",
        "/events",
        "feedback",
        "Keep what users did: all of it, on disk, or none.",
        asks=EventsRequest,
        answers=EventsResponse,
        example={"events": [examples.EVENT]},
        gives={"new": 1, "known": 0, "forgotten": 0, "unknown_items": []},
        refusals=(404, 409),
    ),
    Call(
        "DELETE",
        "/users/{user}",
        "admin",
        "Delete a user's events and the answers that were kept.",
        answers=ForgottenResponse,
        gives={"events": 31, "answers": 4, "forgotten_at": 1795651200, "notice": LEFT},
        refusals=(404,),
    ),
    Call(
        "POST",
        "/trial/revert",
        "admin",
        "Give the challenger up.",
        asks=RevertRequest,
        answers=TrialInfo,
        example={"reason": "too many cat toys"},
        gives=examples.TRIAL,
        refusals=(404,),
    ),
)


class CallTable:
    """Finds the call of a request.

    Args:
        calls: all there are.
    """

    def __init__(self, calls: tuple[Call, ...] = CALLS) -> None:
        self._exact: dict[str, dict[str, Call]] = {}
        self._open: list[tuple[re.Pattern[str], dict[str, Call]]] = []
        by_path: dict[str, dict[str, Call]] = {}
        for call in calls:
            by_path.setdefault(call.path, {})[call.method] = call
        for path, methods in by_path.items():
            if "{" in path:
                self._open.append((re.compile(path.partition("{")[0] + ".+"), methods))
            else:
                self._exact[path] = methods

    def methods(self, path: str) -> dict[str, Call]:
        """The calls of a path by method; empty where the path does not exist."""
        known = self._exact.get(path)
        if known is not None:
            return known
        return next((methods for pattern, methods in self._open if pattern.fullmatch(path)), {})
