"""OpenAPI: the document of all calls, with an example of each and of each error; made from their table."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.door.calls import CALLS, Call
from serving.door.lookups import Problem

VERSION = "1"
_JSON = "application/json"

ERRORS: dict[int, tuple[str, str]] = {
    400: (
        "The body is not what it must be.",
        "k: input should be less than or equal to 100, but got 101: correct it, /docs.json shows the body.",
    ),
    401: (
        "No key, or one that the service does not know.",
        "a request must carry the token, but got none: send Authorization: Bearer TOKEN.",
    ),
    403: (
        "The key lacks the role of the call.",
        "this call needs a key with the role admin, but shop has read: send another key.",
    ),
    404: (
        "What is asked for is not there.",
        "a path must be one of those in /openapi.json, but got '/x': correct it.",
    ),
    409: (
        "It does not fit what is there; nothing changed.",
        "to must be a version that is kept, but got 7: see GET /catalogue.",
    ),
    413: (
        "The body is too large.",
        "a body may have 4194304 bytes, but got more: send fewer or shorter keys.",
    ),
    415: (
        "The body does not say that it is JSON.",
        "a body must be JSON, but got 'text/csv': send content-type: application/json.",
    ),
    429: (
        "Too many requests with this key.",
        "shop may ask 500 times a second, 1000 times at once, but more came: send it again in 1 s.",
    ),
    500: (
        "The service failed; its log has the reason under the id.",
        "an answer needs the service to work, but it failed: find the id in its log, or send it again.",
    ),
    503: (
        "Too many requests at once.",
        "512 requests are answered at a time, but more came: send it again later.",
    ),
    507: (
        "It could not be kept on disk; nothing changed.",
        "a change must be kept on disk, but it could not be (No space left on device): make room.",
    ),
    504: (
        "The answer took too long.",
        "an answer may take 25 s, but takes longer: ask for less, or again.",
    ),
}
"""What each status means, and what it says."""
_AFTER = {429, 503}
"""Statuses that say after how many seconds to send it again."""


@cache
def openapi() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    calls = [call for call in CALLS if call.is_documented]
    for call in calls:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Encore", "version": VERSION, "description": _DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": _schemas(calls),
            "responses": {str(status): _error(status) for status in ERRORS},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def statuses(call: Call) -> list[int]:
    """The errors that a call may answer with."""
    common = [500, 503, 504] + ([] if call.role is None else [401, 403, 429])
    of_body = [] if call.asks is None else [400, 413, 415]
    return sorted({*common, *of_body, *call.refusals})


def _operation(call: Call) -> dict[str, Any]:
    name = f"{call.method.lower()}{call.path.replace('{', '').replace('}', '').replace('/', '_')}"
    operation: dict[str, Any] = {
        "operationId": name.rstrip("_"),
        "summary": call.summary,
        "responses": {"200": _answer(call), **{str(each): _ref(each) for each in statuses(call)}},
    }
    if call.role is None:
        operation["security"] = []
    else:
        operation["description"] = f"Needs a key with the role {call.role}, where the service has keys."
        operation["security"] = [{"key": []}]
    if parameters := _parameters(call):
        operation["parameters"] = parameters
    if call.asks is not None:
        content = {"schema": _schema(call.asks), "examples": {"one": {"value": call.example}}}
        operation["requestBody"] = {"required": True, "content": {_JSON: content}}
    return operation


def _parameters(call: Call) -> list[dict[str, Any]]:
    in_path = [part.strip("{}") for part in call.path.split("/") if part.startswith("{")]
    text = {"type": "string"}
    required = {"in": "path", "required": True, "schema": {**text, "minLength": 1}}
    optional = {"in": "query", "required": False, "schema": text}
    return [
        *({"name": name, **required} for name in in_path),
        *({"name": name, **optional, "description": said} for name, said in call.query.items()),
    ]


def _answer(call: Call) -> dict[str, Any]:
    schema: dict[str, Any]
    if isinstance(call.answers, str):
        schema = {"type": "object" if call.answers == _JSON else "string"}
        return {"description": call.summary, "content": {call.answers: {"schema": schema}}}
    if isinstance(call.answers, tuple):
        schema = {"type": "array", "items": _schema(call.answers[0])}
    else:
        schema = _schema(call.answers)
    content = {_JSON: {"schema": schema, "examples": {"one": {"value": call.gives}}}}
    return {"description": call.summary, "content": content}


def _error(status: int) -> dict[str, Any]:
    description, said = ERRORS[status]
    example = {"error": said} | ({"id": "5b0e5a3c9f"} if status == 500 else {})
    response: dict[str, Any] = {
        "description": description,
        "content": {_JSON: {"schema": _schema(Problem), "examples": {"one": {"value": example}}}},
    }
    if status in _AFTER:
        response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return response


def _ref(status: int) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{status}"}


def _schema(kind: type[BaseModel] | type[str]) -> dict[str, str]:
    if issubclass(kind, BaseModel):
        return {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"type": "string"}


def _schemas(calls: Iterable[Call]) -> dict[str, Any]:
    """Every schema that a call asks for or answers with, and what those are made of."""
    asks: set[type[BaseModel]] = {call.asks for call in calls if call.asks is not None}
    answers: set[type[BaseModel]] = {Problem}
    for call in calls:
        kind = call.answers[0] if isinstance(call.answers, tuple) else call.answers
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            answers.add(kind)
    inputs = [(kind, "validation") for kind in sorted(asks, key=lambda kind: kind.__name__)]
    outputs = [(kind, "serialization") for kind in sorted(answers, key=lambda kind: kind.__name__)]
    _, schemas = models_json_schema([*inputs, *outputs], ref_template="#/components/schemas/{model}")  # type: ignore[list-item]
    return dict(schemas["$defs"])


_DESCRIPTION = """Recommends items for a history or a known user.

Where the service has keys, send one: `Authorization: Bearer KEY`. Each answer has the header `X-Request-ID`:
the one of the request, or a new one. An error is JSON with one line: the rule, what came, what to do. After
429 and 503 wait as long as `Retry-After` says and send the request again.
"""
