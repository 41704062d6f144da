"""Who may do what, on a real Bento with keys; what each answer carries, and what the log says of it."""

import json
import re
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from serving.access.keys import ROLES
from serving.door.calls import CALLS, Call

SITE = "https://shop.example"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def ask(
    url: str, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str
) -> tuple[int, Message, str]:
    """Status, headers and text; `user_agent="x"` becomes the header user-agent."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    sent |= {"content-type": "application/json"} if data is not None and "content-type" not in sent else {}
    sent |= {} if key is None else {"authorization": f"Bearer {key}"}
    request = urllib.request.Request(url + path, data, sent, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, reply.headers, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def asked(guarded: str, call: Call, key: str | None) -> int:
    path = re.sub(r"\{\w+\}", "10", call.path)
    return ask(guarded, call.method, path, call.example, key=key)[0]


@pytest.mark.parametrize("call", CALLS, ids=[f"{call.method} {call.path}" for call in CALLS])
@pytest.mark.parametrize("role", [None, "wrong", *sorted(ROLES)])
def test_a_key_may_do_what_its_role_may_and_nothing_else(guarded: str, call: Call, role: str | None) -> None:
    status = asked(guarded, call, None if role is None else f"{role}-secret")
    if call.role is None or call.role == role:
        assert status in (
            200,
            400,
            404,
            409,
        )  # no trial runs, the examples' items are not sold
    else:
        assert status == (403 if role in ROLES else 401)


@pytest.mark.parametrize(
    "path",
    [
        "/schema.json",
        "/static_content/index.css",
        "/docs",
        "/x",
        "//info",
        "/info/",
        "/recommend/submit",
        "/../info",
    ],
)
def test_what_is_not_in_the_table_does_not_exist(guarded: str, path: str) -> None:
    for role in ROLES:
        status, _, said = ask(guarded, "GET", path, key=f"{role}-secret")
        assert (status, json.loads(said)["error"][:12]) == (404, "a path must ")
    assert ask(guarded, "GET", path)[0] == 401  # nor is a stranger told what exists


def test_another_method_is_refused_with_those_that_there_are(guarded: str) -> None:
    for method in ("GET", "DELETE", "PATCH", "TRACE", "OPTIONS"):
        status, headers, said = ask(guarded, method, "/recommend", key="read-secret")
        assert (status, headers["allow"]) == (405, "POST"), (method, said)
        assert "answers POST, but got" in said


@pytest.mark.parametrize("path", [call.path for call in CALLS] + ["/schema.json", "/nothing"])
@pytest.mark.parametrize("media_type", ["application/vnd.bentoml+pickle", "application/x-pickle", "text/csv"])
def test_pickle_is_accepted_on_no_path(guarded: str, guarded_log: Path, path: str, media_type: str) -> None:
    bomb = b"cbuiltins\nprint\n(S'unpickled-after-all'\ntR."
    for method in ("POST", "PUT"):
        for role in ROLES:
            status = ask(
                guarded, method, path, bomb, key=f"{role}-secret", content_type=media_type,
                payload_container="NdarrayContainer", buffer_lengths=str(len(bomb)),
            )[0]  # fmt: skip
            assert status in (403, 404, 405, 415)
    assert "unpickled-after-all" not in guarded_log.read_text()


def test_what_changes_something_must_say_that_it_is_json(guarded: str) -> None:
    """A web page of another site can send a form, plain text or a blob without a type, and no more."""
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        came = ask(
            guarded, "POST", "/trial/revert", {"reason": "x"}, key="admin-secret", content_type=media_type
        )
        assert came[0] == 415
    assert (
        ask(guarded, "POST", "/recommend", {"user": "ann"}, key="read-secret", content_type="text/plain")[0]
        == 200
    )


def test_every_answer_carries_the_headers(guarded: str) -> None:
    expected = {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
    }
    answers = [
        ask(guarded, "GET", "/"),
        ask(guarded, "GET", "/readyz"),
        ask(guarded, "GET", "/info"),
        ask(guarded, "GET", "/info", key="read-secret"),
        ask(guarded, "GET", "/nothing", key="read-secret"),
        ask(guarded, "POST", "/recommend", {"user": "ann"}, key="read-secret"),
        ask(guarded, "POST", "/recommend", b"{", key="read-secret"),
    ]
    for status, headers, _ in answers:
        assert {name: headers[name] for name in expected} == expected, status
        assert headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])
        assert headers["server"] is None
        assert headers["x-bentoml-request-id"] is None
        assert headers["set-cookie"] is None


def test_a_harmless_request_id_is_taken_over_and_another_is_not(guarded: str) -> None:
    def given(sent: str) -> str:
        return str(ask(guarded, "GET", "/livez", x_request_id=sent)[1]["x-request-id"])

    assert given("order-77.a_B") == "order-77.a_B"
    for harmful in ("x" * 65, "a b", 'a"b', "é", "<script>"):
        assert re.fullmatch("[0-9a-f]{32}", given(harmful))


def test_pages_of_a_listed_site_may_ask_and_others_may_not(guarded: str) -> None:
    def preflight(origin: str) -> tuple[int, str | None]:
        headers = {"access_control_request_method": "POST", "access_control_request_headers": "authorization"}
        status, answer, _ = ask(guarded, "OPTIONS", "/recommend", origin=origin, **headers)
        if status == 204:
            assert answer["access-control-allow-methods"] == "POST"
            assert "authorization" in answer["access-control-allow-headers"]
        return status, answer["access-control-allow-origin"]

    def answered(origin: str) -> tuple[int, str | None]:
        status, answer, _ = ask(
            guarded, "POST", "/recommend", {"user": "ann"}, key="read-secret", origin=origin
        )
        assert answer["vary"] == "origin"
        return status, answer["access-control-allow-origin"]

    assert preflight(SITE) == (204, SITE)
    assert answered(SITE) == (200, SITE)
    for other in ("https://evil.example", "null", "https://shop.example.evil.example", "http://shop.example"):
        assert preflight(other) == (401, None)
        assert answered(other) == (200, None)  # the browser keeps it from the page


def test_the_log_has_a_line_for_each_request_and_tells_nobodys_data(guarded: str, guarded_log: Path) -> None:
    history = {"history": ["10", "secret-item"], "k": 2}
    ask(guarded, "POST", "/recommend", history, key="read-secret", x_request_id="log-1")
    ask(guarded, "GET", "/users?q=secret-user", key="read-secret", x_request_id="log-2")
    ask(guarded, "GET", "/secret-path", key="admin-secret", x_request_id="log-3")
    ask(guarded, "GET", "/info", x_request_id="log-4")
    ask(guarded, "GET", "/readyz", x_request_id="log-5")
    text = guarded_log.read_text()
    lines = {line["id"]: line for line in map(json.loads, re.findall(r"^\{.*\}$", text, re.MULTILINE))}
    first = lines["log-1"]
    assert {first[name] for name in ("method", "path", "status", "key", "batch")} == {
        "POST", "/recommend", 200, "read-key", 1
    }  # fmt: skip
    assert re.fullmatch(r"[0-9a-f]{12}\.\d+", first["version"])
    parts = [first[f"{stage}_ms"] for stage in ("read", "queue", "model", "write")]
    assert all(part >= 0 for part in parts)
    assert sum(parts) <= first["ms"] + 1
    assert (lines["log-2"]["path"], lines["log-2"]["status"]) == ("/users", 200)
    assert (lines["log-3"]["path"], lines["log-3"]["key"], lines["log-3"]["status"]) == (
        None,
        "admin-key",
        404,
    )
    assert (lines["log-4"]["key"], lines["log-4"]["status"]) == (None, 401)
    assert "log-5" not in lines  # probes ask all the time
    for secret in ("secret-item", "secret-user", "secret-path", "read-secret", "admin-secret"):
        assert secret not in text


def test_a_stranger_cannot_fill_the_metrics(guarded: str) -> None:
    def n_lines() -> int:
        text = ask(guarded, "GET", "/metrics", key="read-secret")[2]
        assert "bentoml_" not in text
        return len(text.splitlines())

    for key in (None, "read-secret"):
        ask(guarded, "GET", "/first", key=key)
    before = n_lines()
    for number in range(15):
        ask(guarded, "GET", f"/{number}")
        ask(guarded, "GET", f"/{number}", key="read-secret")
    assert n_lines() <= before + 4  # a status of "none" that was new, with its reason
