"""The guard before an app that answers, waits or fails: who is let in, what is told when it goes wrong."""

import asyncio
import json
import logging
import sys
from collections.abc import Callable

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from serving.access.admission import is_loopback
from serving.access.limits import STRANGERS_RATE, Rate
from serving.access.metrics import DoorMetrics
from serving.door.guard import Guard, check_host
from serving.door.schemas import RecommendRequest
from serving.door.wire import Refusal, read, refuse
from serving.settings import IN_FLIGHT_VARIABLE, RATE_VARIABLE, TIMEOUT_VARIABLE, TOKEN_VARIABLE

HERE, THERE = "http://127.0.0.1:3000", "http://10.0.0.5:3000"


async def answer(request: Request) -> Response:
    return PlainTextResponse("answered")


async def wait(request: Request) -> Response:
    await asyncio.sleep(60)
    return PlainTextResponse("late")


async def fail(request: Request) -> Response:
    raise RuntimeError("the model has a secret")


async def fail_as_bentoml(request: Request) -> Response:
    return Response('{"error": "An unexpected error", "detail": "secret"}', 500)


async def fail_as_a_router(request: Request) -> Response:
    return PlainTextResponse("Not Found", 404)


async def hear(request: Request) -> Response:
    asked = await read(request, RecommendRequest)
    return refuse(asked) if isinstance(asked, Refusal) else PlainTextResponse("answered")


ROUTES = {
    "/": answer,
    "/info": answer,
    "/metrics": answer,
    "/livez": answer,
    "/items": wait,
    "/users": fail,
    "/docs.json": fail_as_bentoml,
    "/recommend": hear,
    "/page/{file}": fail_as_a_router,
}
METHODS = ["GET", "POST"]
DIRECT = False


@pytest.fixture(autouse=True, params=[False, True], ids=["through-routers", "directly"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rule holds on both ways to an endpoint."""
    monkeypatch.setattr(sys.modules[__name__], "DIRECT", request.param)


def guard(registry: CollectorRegistry | None = None) -> Guard:
    app = Starlette(routes=[Route(path, does, methods=METHODS) for path, does in ROUTES.items()])
    make: Callable[[], DoorMetrics] | None = None if registry is None else lambda: DoorMetrics(registry)
    return Guard(app, make_metrics=make, pages=app if DIRECT else None)


def asked(base_url: str, path: str = "/info", **headers: str) -> tuple[int, str]:
    reply = TestClient(guard(), base_url=base_url).get(path, headers=headers)
    return reply.status_code, reply.text


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(TOKEN_VARIABLE, "s3cret")
    return "s3cret"


def test_this_machine_needs_no_token() -> None:
    assert asked(HERE) == (200, "answered")
    assert asked("http://localhost:3000") == (200, "answered")


def test_another_address_is_refused_without_a_token() -> None:
    status, said = asked(THERE)
    assert status == 403
    assert "without a token only this machine may ask, but the request came to 10.0.0.5" in said


@pytest.mark.parametrize(
    "name", ["rebound.example", "[::1", "127.0.0.1.rebound.example", "", "127.0.0.1@x.example"]
)
def test_a_foreign_name_that_points_here_is_refused(name: str) -> None:
    assert asked(HERE, host=name)[0] == 403


def test_with_a_token_everyone_has_to_send_it(token: str) -> None:
    assert asked(THERE, authorization=f"Bearer {token}") == (200, "answered")
    assert asked(THERE, authorization=f"bearer {token}") == (200, "answered")
    assert asked(HERE)[0] == asked(THERE)[0] == 401
    assert "but got none: send Authorization: Bearer TOKEN" in asked(HERE)[1]
    assert "but got another one" in asked(HERE, authorization="Bearer wrong")[1]
    assert asked(HERE, authorization=token)[0] == 401
    assert asked(HERE, "/metrics")[0] == 401


def test_probes_and_the_page_need_no_token(token: str) -> None:
    assert asked(THERE, "/livez")[0] == asked(THERE, "/")[0] == 200


def test_the_token_is_never_repeated(token: str) -> None:
    assert token not in asked(THERE, authorization="Bearer wrong")[1]


def test_who_guesses_keys_is_slowed_down_and_others_are_not(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = STRANGERS_RATE.model_copy(update={"per_second": 0.5})  # a busy machine sends ten a second
    monkeypatch.setattr("serving.access.admission.STRANGERS_RATE", slow)
    client = TestClient(guard(), base_url=THERE)
    guesses = [client.get("/info", headers={"authorization": f"Bearer {i}"}) for i in range(150)]
    assert guesses[0].status_code == 401
    assert guesses[0].headers["www-authenticate"] == "Bearer"
    assert guesses[-1].status_code == 429
    assert int(guesses[-1].headers["retry-after"]) >= 1
    assert client.get("/info", headers={"authorization": f"Bearer {token}"}).status_code == 200


def test_a_rate_holds_for_each_key_and_says_when_to_come_again(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RATE_VARIABLE, "0.5:3")
    client = TestClient(guard(), base_url=HERE, headers={"authorization": f"Bearer {token}"})
    answers = [client.get("/info") for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert answers[3].headers["retry-after"] == "2"  # a token each two seconds
    assert "token may ask 0.5 times a second, 3 times at once" in answers[3].json()["error"]
    assert client.get("/livez").status_code == 200


def test_this_machine_has_no_rate_unless_one_is_set(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.settings.DEFAULT_RATE", Rate(per_second=0.5, burst=2))

    def statuses(base_url: str) -> list[int]:
        client = TestClient(guard(), base_url=base_url, headers={"authorization": f"Bearer {token}"})
        return [client.get("/info").status_code for _ in range(4)]

    assert statuses(HERE) == [200] * 4
    assert statuses(THERE) == [200, 200, 429, 429]
    monkeypatch.setenv(RATE_VARIABLE, "off")
    assert statuses(THERE) == [200] * 4


def at_once(n_requests: int, path: str) -> list[httpx.Response]:
    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(guard())
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            asked = [asyncio.create_task(client.get(path)) for _ in range(n_requests)]
            await asyncio.sleep(0.05)
            asked.append(asyncio.create_task(client.get("/livez")))
            return list(await asyncio.gather(*asked))

    return asyncio.run(ask())


def test_more_at_once_than_may_be_are_sent_away_but_probes_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IN_FLIGHT_VARIABLE, "2")
    monkeypatch.setenv(TIMEOUT_VARIABLE, "0.3")
    *answers, probe = at_once(5, "/items")
    assert sorted(each.status_code for each in answers) == [503, 503, 503, 504, 504]
    busy = next(each for each in answers if each.status_code == 503)
    assert busy.headers["retry-after"] == "1"
    assert busy.json()["error"].startswith("2 requests are answered at a time, but more came")
    assert probe.status_code == 200


def test_an_answer_that_takes_too_long_is_one_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TIMEOUT_VARIABLE, "0.1")
    late = TestClient(guard(), base_url=HERE).get("/items")
    assert late.status_code == 504
    assert late.json()["error"].startswith("an answer may take 0.1 s, but takes longer")
    assert late.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", ["/users", "/docs.json"])
def test_a_failure_is_one_line_with_an_id_and_the_trace_is_in_the_log(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        failed = TestClient(guard(), base_url=HERE, raise_server_exceptions=False).get(
            path, headers={"x-request-id": "order-7"}
        )
    assert failed.status_code == 500
    assert set(failed.json()) == {"error", "id"}
    assert failed.json()["id"] == failed.headers["x-request-id"] == "order-7"
    assert "secret" not in failed.text
    assert "event=request_failed id=order-7" in caplog.text
    assert ("the model has a secret" in caplog.text) == (path == "/users")


def test_an_error_that_is_not_json_becomes_one_line_of_it() -> None:
    lost = TestClient(guard(), base_url=HERE).get("/page/lost.js")
    assert (lost.status_code, lost.json()) == (
        404,
        {"error": "'/page/lost.js' is not there: see /openapi.json."},
    )


def test_bodies_are_refused_once_all_together_are_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = guard()
    whole._load.body_bytes = whole._load.limits.body_bytes - 20
    client = TestClient(whole, base_url=HERE)
    full = client.post("/recommend", content=b'{"history": ["10", "11", "12"]}')
    assert (full.status_code, full.headers["retry-after"]) == (503, "1")
    assert client.post("/recommend", content=b'{"user": "ann"}').status_code == 200
    assert whole._load.body_bytes == whole._load.limits.body_bytes - 20


def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    def never() -> bytes:
        raise AssertionError("read all the same")

    async def ask() -> int:
        sent: list[dict[str, object]] = []

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"content-length", b"5000000")]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/recommend",
            "headers": headers,
            "query_string": b"",
        }
        await guard()(scope, never, send)  # type: ignore[arg-type]
        return int(str(sent[0]["status"]))

    assert asyncio.run(ask()) == 413


def test_nobody_gets_a_websocket() -> None:
    client = TestClient(guard(), base_url=HERE)
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/info"):
        pass


def test_each_rejection_is_counted_by_its_reason_and_each_path_of_the_table_by_its_status() -> None:
    registry = CollectorRegistry()
    client = TestClient(guard(registry), base_url=HERE)
    for path in ("/info", "/info", "/x", "/y"):
        client.get(path)
    client.delete("/info")
    client.post("/recommend", content=b"{}", headers={"content-type": "text/csv"})

    def count(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert count("encore_http_requests_total", path="/info", status="200") == 2
    assert count("encore_http_requests_total", path="none", status="404") == 2
    assert count("encore_http_seconds_count", path="/info") == 2
    assert [count("encore_rejected_total", reason=why) for why in ("path", "method", "media type")] == [
        2,
        1,
        1,
    ]
    client.get("/livez")
    assert count("encore_in_flight") == 1  # whoever asks for counts sees itself


def test_own_endpoints_are_called_without_a_way_through_routers_and_the_rest_goes_on() -> None:
    async def own(request: Request) -> Response:
        return PlainTextResponse(f"own {request.app.state.name} {request.method}")

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(f"inner {scope['path']}")(scope, receive, send)

    pages = Starlette(
        routes=[
            Route("/recommend", own, methods=["POST"]),
            Route("/info", lambda request: Response()),  # runs in a thread
            Route("/items/{key}", own),  # its path is to be read
        ]
    )
    pages.state.name = "pages"
    client = TestClient(Guard(inner, pages=pages), base_url=HERE)
    assert client.post("/recommend", json={}).text == "own pages POST"
    assert client.get("/info").text == "inner /info"
    assert client.get("/items/7").text == "inner /items/7"


@pytest.mark.parametrize(("collects", "outermost"), [("true", True), ("false", False)])
def test_the_guard_steps_before_other_middlewares_unless_they_collect_spans(
    monkeypatch: pytest.MonkeyPatch, collects: str, *, outermost: bool
) -> None:
    class Outer:
        passed = 0

        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            Outer.passed += scope["type"] == "http"
            await self.app(scope, receive, send)

    async def own(request: Request) -> Response:
        return PlainTextResponse("own")

    monkeypatch.setenv("OTEL_SDK_DISABLED", collects)
    pages = Starlette(routes=[Route("/info", own)])
    app = Starlette(middleware=[Middleware(Outer), Middleware(Guard, pages=pages)])
    with TestClient(app, base_url=HERE) as client:  # which opens with a lifespan
        assert client.get("/info").text == "own"
        assert client.get("/nothing").status_code == 404
    assert Outer.passed == (0 if outermost else 2)


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


def test_a_refusal_is_json() -> None:
    assert json.loads(bytes(refuse(Refusal(400, "no", id="7")).body)) == {"error": "no", "id": "7"}
