"""The client against a server that fails on purpose, and against a real Bento."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

import pytest

from serving.catalogue.schemas import CatalogueChange, ItemChange
from serving.client import EncoreClient, EncoreError
from serving.door.calls import CALLS
from serving.door.schemas import CompleteRequest, RecommendRequest, SimilarRequest
from serving.events.schemas import FeedbackEvent

FOUND = b'[{"item": "10", "title": "milk"}]'


def answer(status: int, body: bytes = FOUND, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


HANG_UP = b""
HALF = answer(200)[:-10]
OK = answer(200)


@dataclass
class Scripted:
    """A server that says what it is told to, one line of the script for each request it reads."""

    url: str
    paths: list[str] = field(default_factory=list)


def read_request(sent: BinaryIO) -> str | None:
    """The path of the next request, its body read; None where there is none."""
    first = sent.readline()
    n_bytes = 0
    while (line := sent.readline()) not in (b"", b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            n_bytes = int(line.split(b":")[1])
    sent.read(n_bytes)
    return first.split(b" ")[1].decode() if first else None


@contextmanager
def scripted(*script: bytes) -> Iterator[Scripted]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = Scripted(f"http://127.0.0.1:{listener.getsockname()[1]}")
    lines = iter(script)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as sent:
                while True:
                    path = read_request(sent)
                    if path is None:
                        break
                    server.paths.append(path)
                    said = next(lines)
                    connection.sendall(said)
                    if said in (HANG_UP, HALF):
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.close()


def asked(server: Scripted, retries: int = 3) -> tuple[EncoreClient, list[float]]:
    waits: list[float] = []
    return EncoreClient(server.url, retries=retries, timeout=5, wait=waits.append), waits


@pytest.mark.parametrize("failure", [HANG_UP, HALF, answer(503, b"{}"), answer(429, b"{}")])
def test_a_call_is_sent_again_after_a_failure(failure: bytes) -> None:
    with scripted(OK, failure, failure, OK) as server:
        client, waits = asked(server)
        client.items("m")
        assert client.items("m")[0].title == "milk"
        client.close()
    assert len(server.paths) == 4
    assert len(waits) <= 2


def test_waits_double_and_differ_from_client_to_client() -> None:
    with scripted(*[answer(503, b"{}")] * 4) as server:
        client, waits = asked(server)
        with pytest.raises(EncoreError):
            client.items("m")
        client.close()
    for wait, longest in zip(waits, (0.1, 0.2, 0.4), strict=True):
        assert longest / 2 <= wait <= longest


def test_the_service_says_how_long_to_wait() -> None:
    with scripted(answer(429, b"{}", "Retry-After: 7"), OK) as server:
        client, waits = asked(server)
        assert client.items("m")
        client.close()
    assert waits == [7]


def test_a_wait_that_is_too_long_is_told_at_once() -> None:
    with scripted(answer(429, b'{"error": "slow"}', "Retry-After: 3600")) as server:
        client, waits = asked(server)
        with pytest.raises(EncoreError, match="429: slow"):
            client.items("m")
        client.close()
    assert waits == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 415, 500, 504])
def test_what_would_fail_again_is_not_sent_again(status: int) -> None:
    with scripted(answer(status, b'{"error": "no"}', "X-Request-ID: order-7")) as server:
        client, _ = asked(server)
        with pytest.raises(EncoreError, match=f"{status}: no") as error:
            client.items("m")
        client.close()
    assert (error.value.status, error.value.reason, error.value.id) == (status, "no", "order-7")
    assert len(server.paths) == 1


def test_what_twice_is_too_much_is_not_repeated_without_an_answer() -> None:
    with scripted(OK, HANG_UP) as server:
        client, _ = asked(server)
        client.items("m")
        with pytest.raises(EncoreError, match="no answer came") as error:
            client.call("POST", "/once", b"{}", is_repeatable=False)
        client.close()
    assert error.value.status == 0
    assert server.paths.count("/once") == 1


def test_a_refusal_says_that_nothing_was_done_so_even_that_is_repeated() -> None:
    with scripted(answer(503, b"{}"), OK) as server:
        client, _ = asked(server)
        assert client.call("POST", "/once", b"{}", is_repeatable=False).status == 200
        client.close()


def test_nobody_there_is_one_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = EncoreClient(f"http://127.0.0.1:{port}", retries=2, wait=lambda _: None)
    with pytest.raises(EncoreError, match="no answer came: ConnectionRefusedError"):
        client.items("m")
    assert not client.is_ready()


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(EncoreError, match="TimeoutError"):
            EncoreClient(url, timeout=0.2, retries=0).items("m")


def test_what_a_newer_service_says_beside_is_passed_over() -> None:
    with scripted(answer(200, b'[{"item": "10", "title": "milk", "price": 1}]')) as server:
        client, _ = asked(server)
        assert client.items("m")[0].item == "10"
        client.close()


def test_what_is_no_answer_is_one_error() -> None:
    with scripted(answer(200, b"<html>"), answer(502, b"<html>bad gateway")) as server:
        client, _ = asked(server)
        with pytest.raises(EncoreError, match="an answer must be a"):
            client.items("m")
        with pytest.raises(EncoreError, match="502: <html>bad gateway"):
            client.items("m")
        client.close()


def test_a_prefix_is_kept_and_keys_are_escaped() -> None:
    known = b'{"item": "a", "title": "", "fields": {}, "codes": null, "sharing": null, "neighbours": []}'
    with scripted(answer(200, known)) as server:
        client = EncoreClient(f"{server.url}/encore/")
        client.item("a/b c?ü")
        client.close()
    assert server.paths == ["/encore/items/a%2Fb%20c%3F%C3%BC"]


@pytest.mark.parametrize("url", ["127.0.0.1:3000", "ftp://x", "http://", ""])
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="a URL must begin with"):
        EncoreClient(url)


@pytest.mark.slow
def test_every_call_is_answered_by_a_real_service(guarded: str) -> None:
    client = EncoreClient(guarded, token="all-secret")
    assert client.info().n_items == 5
    assert client.is_ready()
    assert client.recommend(RecommendRequest(history=["10"], k=2)).items[0].title == "milk"
    assert len(client.recommend_many([RecommendRequest(user="ann"), RecommendRequest(history=[])])) == 2
    assert client.similar(SimilarRequest(item="10")).items[0].item == "12"
    assert client.complete(CompleteRequest(basket=["10"])).items
    assert client.items("mi")[0].item == "10"
    assert client.item("10").title == "milk"
    assert client.users("a") == ["ann"]
    assert "encore_http_requests_total" in client.metrics()
    assert set(client.openapi()["paths"]) == {call.path for call in CALLS if call.is_documented}
    for refused in (client.compare, client.recommend):
        with pytest.raises(EncoreError, match=r"404: a comparison needs|400: .*in_stock") as error:
            refused(RecommendRequest(history=[], filters={"price": ["1"]}))
        assert error.value.id is not None
    assert client.catalogue().items == 5
    changed = client.change_catalogue(CatalogueChange(items=[ItemChange(item="10", hidden=True)]))
    assert changed.hidden == 1
    assert client.recommend(RecommendRequest(history=[])).items[0].item == "11"
    assert client.revert_catalogue(0).hidden == 0
    bought = FeedbackEvent(event_key="e1", user="zoe", item="12", kind="purchase")
    assert [client.tell([bought]).new, client.tell([bought]).known] == [1, 1]
    assert client.forget("zoe").events == 1
    with pytest.raises(EncoreError, match="404: a revert needs a trial"):
        client.revert_trial("by test")
    client.close()
    with pytest.raises(EncoreError, match="401: a request must carry the token"):
        EncoreClient(guarded, token="wrong").info()
