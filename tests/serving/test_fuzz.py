"""Ten thousand malformed bodies: each gets one line of JSON, none an error of the service."""

import json
import random
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serving.bento import BentoInfo
from serving.connection import Connection
from serving.door.calls import CALLS
from serving.process import running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

N_BODIES = 10_000
SEED = 20261125

ODD = [
    *(b"null", b"true", b"[]", b"{}", b'""', b"-1", b"0", b"1e999", b"NaN", b"Infinity", b"-0.0"),
    *(
        b"9" * 400,
        b"1" * 5_000,
        b"0." + b"3" * 2_000,
        b"[" * 5_000,
        b'{"a":' * 5_000,
        b'"' + b"k" * 600 + b'"',
    ),
    *(b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"', b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\\x"', b"'a'"),
    *(
        b"[null]",
        b"[[]]",
        b"[{}]",
        b'["a",1,1.5]',
        b"2147483648",
        b"9223372036854775808",
        b"-9223372036854775809",
    ),
    *(b"/*c*/1", b"1,", b"\x00", b"\xef\xbb\xbf1", b"+1", b"01", b".5", b"0x10", b"undefined"),
]
NAMES = [
    b"history",
    b"user",
    b"k",
    b"timestamps",
    b"baskets",
    b"exclude",
    b"allow",
    b"exclude_seen",
    b"requests",
]
Mutation = Callable[[random.Random, bytes], bytes]


def swapped(rng: random.Random, body: bytes) -> bytes:
    """A value becomes an odd one."""
    start = rng.randrange(len(body))
    end = min(len(body), start + rng.randrange(1, 12))
    return body[:start] + rng.choice(ODD) + body[end:]


def valued(rng: random.Random, body: bytes) -> bytes:
    """A field more, or the same field twice, with an odd value."""
    at = body.find(b"{", rng.randrange(len(body))) + 1
    return body[:at] + b'"' + rng.choice(NAMES) + b'":' + rng.choice(ODD) + b"," + body[at:]


def cut(rng: random.Random, body: bytes) -> bytes:
    """It ends too early."""
    return body[: rng.randrange(len(body))]


def flipped(rng: random.Random, body: bytes) -> bytes:
    """Some bytes are others."""
    changed = bytearray(body)
    for _ in range(rng.randrange(1, 6)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def repeated(rng: random.Random, body: bytes) -> bytes:
    """A piece comes again and again."""
    start = rng.randrange(len(body))
    piece = body[start : start + rng.randrange(1, 30)]
    return body[:start] + piece * rng.randrange(2, 400) + body[start:]


MUTATIONS: list[Mutation] = [swapped, valued, cut, flipped, repeated]


def valid_bodies() -> dict[str, list[bytes]]:
    """By path: the example of each call with a body, and of the main ones some more."""
    bodies = {call.path: [json.dumps(call.example).encode()] for call in CALLS if call.asks is not None}
    full = {
        "history": ["10", "11", "zz"],
        "timestamps": [1, 2, 3],
        "baskets": ["a", "a", "b"],
        "k": 3,
        "exclude": ["12"],
        "exclude_seen": True,
        "allow": ["10", "13", "14"],
    }
    bodies["/recommend"] += [json.dumps(full).encode(), b'{"user": "ann", "k": 5}']
    bodies["/recommend/many"] += [json.dumps({"requests": [full, {"user": "bob"}]}).encode()]
    return bodies


def malformed(n_bodies: int, seed: int) -> list[tuple[str, bytes]]:
    """Path and body, the same for a seed; most bodies are mutated once, some up to four times."""
    rng = random.Random(seed)
    by_path = valid_bodies()
    found = []
    for _ in range(n_bodies):
        path = rng.choice(sorted(by_path))
        body = rng.choice(by_path[path])
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            body = rng.choice(MUTATIONS)(rng, body or b"{}")
        found.append((path, body))
    return found


def test_the_bodies_are_mostly_malformed_and_the_same_again() -> None:
    bodies = malformed(2_000, SEED)
    assert bodies == malformed(2_000, SEED)
    assert len(set(bodies)) > 1_800


@pytest.fixture
def fuzzed(built: BentoInfo, home: Path, tmp_path: Path) -> Iterator[str]:
    """A service of its own: its catalogue will not be the same afterwards."""
    with running(built.tag, home=home, log=tmp_path / "log") as url:
        yield url


def test_no_malformed_body_makes_the_service_fail(fuzzed: str) -> None:
    client = Connection(fuzzed)
    statuses: Counter[int] = Counter()
    for path, body in malformed(N_BODIES, SEED):
        reply = client.send("PUT" if path == "/catalogue" else "POST", path, body)
        status, answer = reply.status, reply.body
        statuses[status] += 1
        assert status < 500, (path, body[:300])
        said = json.loads(answer)
        if status != 200:
            assert set(said) == {"error"}
            assert "\n" not in said["error"]
            assert len(said["error"]) < 3_000  # a key has up to 512 characters, escaped
            assert "Traceback" not in said["error"]
    client.close()
    assert statuses[400] > N_BODIES / 2
    assert set(statuses) <= {200, 400, 404, 409, 413}


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # somebody speaks TLS
        b"GET /info HTTP/1.1\r\n\r\n",
        b"GET /info HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /info HTTP/1.1\r\nHost: [::1\r\n\r\n",
        b"GET /info HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n{}",
        b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
        b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /recommend HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /items?q=%ff%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /info HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\r\nX-Request-ID: \xe9\r\n\r\n",
    ],
)
def test_no_malformed_request_makes_the_service_fail(url: str, sent: bytes) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(sent)
        answer = connection.recv(65_536)
    status = int(answer.split(b" ")[1])
    assert status < 500
    assert b"Traceback" not in answer


def test_a_body_that_never_comes_to_its_end_is_no_failure(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    client = Connection(url)
    assert client.post("/recommend", b'{"user": "ann"}')[0] == 200
    client.close()
