"""Probe: asks a running service what it was asked offline, alone, in batches and all at once."""

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import local
from typing import Any, Literal

import numpy as np

from serving.connection import Connection
from serving.door.schemas import MAX_REQUESTS, RecommendRequest
from validation.gates.parity import Answer

Mode = Literal["alone", "batch", "concurrent"]
N_CLIENTS = 16
BATCH = min(32, MAX_REQUESTS)


@dataclass(frozen=True, slots=True)
class Replay:
    """What a service answered.

    Attributes:
        answers: in the order of the requests.
        latencies_ms: wall time of each HTTP call, connection kept alive.
    """

    answers: list[Answer]
    latencies_ms: list[float]

    def percentile_ms(self, q: float) -> float:
        """Latency that `q` percent of the calls stay within."""
        return float(np.percentile(self.latencies_ms, q))

    @property
    def p50_ms(self) -> float:
        """Median latency of a call."""
        return self.percentile_ms(50)

    @property
    def p99_ms(self) -> float:
        """99th percentile of the latency of a call."""
        return self.percentile_ms(99)


def replay(url: str, requests: Sequence[RecommendRequest], *, mode: Mode, token: str | None = None) -> Replay:
    """Send `requests` to a service.

    Args:
        url: base URL of the service.
        requests: frozen requests.
        mode: "alone" one by one; "batch" 32 in a body to /recommend/many; "concurrent" by 16 clients at a
            time, so that the service gathers them into batches itself.
        token: of the service, if it wants one.

    Raises:
        RuntimeError: an answer other than 200.
    """
    if mode == "batch":
        groups = [requests[start : start + BATCH] for start in range(0, len(requests), BATCH)]
        bodies = [_many(group) for group in groups]
        replies = _ask(url, "/recommend/many", bodies, 1, token)
        answers = [answer for body, _ in replies for answer in body["answers"]]
    else:
        bodies = [_body(request) for request in requests]
        replies = _ask(url, "/recommend", bodies, 1 if mode == "alone" else N_CLIENTS, token)
        answers = [body for body, _ in replies]
    return Replay([_answer(answer) for answer in answers], [latency_ms for _, latency_ms in replies])


def _ask(
    url: str, path: str, bodies: Sequence[bytes], n_clients: int, token: str | None
) -> list[tuple[Any, float]]:
    """Parsed answer and milliseconds of each body, in order."""
    mine = local()

    def ask(body: bytes) -> tuple[Any, float]:
        if not hasattr(mine, "connection"):
            mine.connection = Connection(url, token)
        return _timed(lambda: mine.connection.post(path, body), body)

    with ThreadPoolExecutor(n_clients) as pool:
        return list(pool.map(ask, bodies))


def _timed(post: Callable[[], tuple[int, bytes]], body: bytes) -> tuple[Any, float]:
    start = time.perf_counter()
    status, answer = post()
    latency_ms = (time.perf_counter() - start) * 1000
    if status != 200:
        raise RuntimeError(
            f"a service must answer 200 to a frozen request, but got {status} {answer[:200]!r} "
            f"for {body[:200]!r}: see the log of the service."
        )
    return json.loads(answer), latency_ms


def _body(request: RecommendRequest) -> bytes:
    return request.model_dump_json(exclude_defaults=True).encode()


def _many(requests: Sequence[RecommendRequest]) -> bytes:
    return b'{"requests": [' + b",".join(_body(request) for request in requests) + b"]}"


def _answer(body: Any) -> Answer:
    items = body["items"]
    return Answer([line["item"] for line in items], [line["score"] for line in items])
