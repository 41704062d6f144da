"""The table of calls is what the service answers, and its document has an example of each call and error."""

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from serving.access.keys import ROLES
from serving.door.calls import CALLS, Call, CallTable
from serving.door.openapi import ERRORS, openapi, statuses
from serving.service import _PAGES, _SERVICE

PROBES = {"/livez", "/readyz", "/healthz"}  # BentoML's own
NAMES = [f"{call.method} {call.path}" for call in CALLS]


def test_every_route_has_a_line_in_the_table_and_every_line_a_route() -> None:
    """What is missing in the table is refused to everybody; a new route fails here first."""
    assert not _SERVICE.apis  # BentoML's own routes would go around the guard's shortcut
    routed: set[tuple[str, str]] = set()
    for route in _PAGES.routes:
        methods = getattr(route, "methods", None) or {"GET"}
        path = re.sub(r":\w+}", "}", route.path)
        path = path if hasattr(route, "methods") else f"{path}/{{file}}"  # a mounted folder
        routed |= {(method, path) for method in methods - {"HEAD"}}
    routed |= {("GET", path) for path in PROBES}
    assert {(call.method, call.path) for call in CALLS} == routed


def test_only_what_tells_nothing_is_open() -> None:
    assert {call.path for call in CALLS if call.role is None} == {"/", "/page/{file}", *PROBES}
    assert {call.role for call in CALLS} - {None} <= ROLES


def test_what_changes_something_is_no_question() -> None:
    for call in CALLS:
        if call.method in ("PUT", "DELETE") or call.path.endswith("/revert"):
            assert call.role == "admin"


@pytest.mark.parametrize(
    "path", ["", "/x", "/info/", "//info", "/items/", "/itemsx/1", "/page", "/INFO", "/info\n", "/items/\n"]
)
def test_what_is_not_in_the_table_is_not_found(path: str) -> None:
    assert CallTable().methods(path) == {}


def test_an_item_key_may_hold_anything() -> None:
    for key in ("1", "a/b", "a b", "é", "..", "items"):
        assert CallTable().methods(f"/items/{key}")["GET"].path == "/items/{key}"
    assert CallTable().methods("/items")["GET"].path == "/items"


@pytest.mark.parametrize("call", CALLS, ids=NAMES)
def test_the_examples_are_what_the_call_takes_and_gives(call: Call) -> None:
    if call.asks is not None:
        call.asks.model_validate(call.example)
    if not isinstance(call.answers, str):
        kind = list[call.answers[0]] if isinstance(call.answers, tuple) else call.answers  # type: ignore[misc]
        TypeAdapter(kind).validate_python(call.gives)


def test_the_document_has_each_call_with_role_examples_and_errors() -> None:
    document = openapi()
    for call in CALLS:
        if not call.is_documented:
            continue
        operation = document["paths"][call.path][call.method.lower()]
        assert set(operation["responses"]) == {"200", *map(str, statuses(call))}
        assert operation["security"] == ([] if call.role is None else [{"key": []}])
        if call.asks is not None:
            content = operation["requestBody"]["content"]["application/json"]
            check(content["schema"], content["examples"]["one"]["value"])
        if not isinstance(call.answers, str):
            content = operation["responses"]["200"]["content"]["application/json"]
            check(content["schema"], content["examples"]["one"]["value"])


def test_the_document_has_an_example_of_each_error() -> None:
    for status in ERRORS:
        content = openapi()["components"]["responses"][str(status)]["content"]["application/json"]
        check(content["schema"], content["examples"]["one"]["value"])


def test_operations_have_names_of_their_own() -> None:
    names = [one["operationId"] for path in openapi()["paths"].values() for one in path.values()]
    assert len(set(names)) == len(names)


def check(schema: dict[str, Any], value: Any) -> None:
    Draft202012Validator({**schema, "components": openapi()["components"]}).validate(value)
