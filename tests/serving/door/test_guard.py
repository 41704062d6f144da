"""Who may ask: this machine without a token, others with it."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from serving.door.guard import Guard, check_host, is_loopback
from serving.settings import TOKEN_VARIABLE


def asked(base_url: str, path: str = "/info", **headers: str) -> tuple[int, str]:
    def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse("answered")

    app = Starlette(routes=[Route(each, answer) for each in ("/info", "/metrics", "/", "/livez")])
    reply = TestClient(Guard(app), base_url=base_url).get(path, headers=headers)
    return reply.status_code, reply.text


@pytest.fixture
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(TOKEN_VARIABLE, "s3cret")
    return "s3cret"


@pytest.mark.usefixtures("no_token")
def test_this_machine_needs_no_token() -> None:
    assert asked("http://127.0.0.1:3000") == (200, "answered")
    assert asked("http://localhost:3000") == (200, "answered")


@pytest.mark.usefixtures("no_token")
def test_another_address_is_refused_without_a_token() -> None:
    status, said = asked("http://10.0.0.5:3000")
    assert status == 403
    assert "without a token only this machine may ask, but the request came to 10.0.0.5" in said


@pytest.mark.usefixtures("no_token")
def test_a_foreign_name_that_points_here_is_refused() -> None:
    assert asked("http://127.0.0.1:3000", host="rebound.example")[0] == 403


def test_with_a_token_everyone_has_to_send_it(token: str) -> None:
    here, there = "http://127.0.0.1:3000", "http://10.0.0.5:3000"
    assert asked(there, authorization=f"Bearer {token}") == (200, "answered")
    assert asked(here)[0] == asked(there)[0] == 401
    assert "but got none: send Authorization: Bearer TOKEN" in asked(here)[1]
    assert "but got another one" in asked(here, authorization="Bearer wrong")[1]
    assert asked(here, authorization=token)[0] == 401
    assert asked(here, "/metrics")[0] == 401


def test_probes_and_the_page_need_no_token(token: str) -> None:
    assert asked("http://10.0.0.5:3000", "/livez")[0] == asked("http://10.0.0.5:3000", "/")[0] == 200


def test_the_token_is_never_repeated(token: str) -> None:
    assert token not in asked("http://10.0.0.5:3000", authorization="Bearer wrong")[1]


def test_opening_a_service_to_others_needs_a_token() -> None:
    with pytest.raises(ValueError, match=r"needs a token, but got 0\.0\.0\.0 and no ENCORE_TOKEN: set"):
        check_host("0.0.0.0", has_token=False)
    check_host("0.0.0.0", has_token=True)
    check_host("127.0.0.1", has_token=False)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("shop.example", False)],
)
def test_loopback_is_this_machine_only(host: str, *, expected: bool) -> None:
    assert is_loopback(host) == expected
