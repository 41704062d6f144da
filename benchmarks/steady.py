"""Steady load: requests at fixed times, whether or not the answers before have come; a process of its own.

    python -m benchmarks.steady URL REQUESTS --rate 100 --seconds 60

An answer's time counts from when its request was due, so a pause of the service shows in every request that
it holds up. REQUESTS is a file of JSON lines, each a path and a body, sent in turn for as long as it takes;
`EVENT_KEY` in a body becomes a key that is new each time. Bytes on kept connections, no HTTP library: the
client shares the machine with the service and may not cost it much.
"""

import argparse
import asyncio
import json
import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import numpy as np
import uvloop

MOST_CONNECTIONS = 128
LAST_ANSWERS_SECONDS = 30.0
MINUTE = 60.0
EVENT_KEY = b"EVENT_KEY"


@dataclass(frozen=True, slots=True)
class Part:
    """Requests of one minute, or of one path.

    Attributes:
        requests: that were due.
        failed: without an answer, or with one other than 200.
        p50_ms, p95_ms, p99_ms, max_ms: from when a request was due to the end of its answer.
    """

    requests: int
    failed: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Steady:
    """What clients saw.

    Attributes:
        minutes: by when requests were due.
        paths: by what they asked for.
        total: all of them.
        cpu_seconds: that the client itself needed.
    """

    minutes: list[Part]
    paths: dict[str, Part]
    total: Part
    cpu_seconds: float


@dataclass(slots=True)
class _Asked:
    """One request; `seconds` from when it was due to the end of its answer, nan for none."""

    due: float
    path: str
    sent: bytes
    seconds: float = float("nan")
    status: int = 0


class _Connection(asyncio.Protocol):
    """One connection: a request at a time."""

    def __init__(self, clients: "_Clients") -> None:
        self._clients = clients
        self._asked: _Asked | None = None
        self._got = b""
        self._n_answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def send(self, asked: _Asked) -> None:
        self._asked, self._got = asked, b""
        self._transport.write(asked.sent)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, gap, body = self._got.partition(b"\r\n\r\n")
        if not gap or len(body) < _length(head) or self._asked is None:
            return
        self._asked.status = int(head[9:12])
        self._asked.seconds = time.perf_counter() - self._asked.due
        self._asked.sent = b""  # hundreds of thousands of them
        self._asked = None
        self._n_answers += 1
        self._clients.free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        asked, self._asked = self._asked, None
        # The service hangs up on who says nothing for long; a request that crossed with that was not read.
        is_unread = self._n_answers > 0 and not self._got
        self._clients.lost(self, asked if is_unread else None)

    def close(self) -> None:
        self._transport.close()


class _Clients:
    """Connections that are opened as they are needed; what finds none waits in line."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._free: deque[_Connection] = deque()
        self._line: deque[_Asked] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._n_open = 0
        self._is_over = False

    def send(self, asked: _Asked) -> None:
        """Now, or as soon as a connection is free."""
        if self._free:
            self._free.popleft().send(asked)
            return
        self._line.append(asked)
        if self._n_open < MOST_CONNECTIONS:
            self._n_open += 1
            task = asyncio.create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def free(self, connection: _Connection) -> None:
        """Whoever waits longest is next."""
        if self._line:
            connection.send(self._line.popleft())
        else:
            self._free.append(connection)

    def lost(self, connection: _Connection, unread: _Asked | None) -> None:
        """A connection ended, in the middle of a request or not."""
        self._n_open -= 1
        if connection in self._free:
            self._free.remove(connection)
        if not self._is_over and unread is not None:
            self.send(unread)

    def close(self) -> None:
        """Hang up."""
        self._is_over = True
        for connection in list(self._free):
            connection.close()

    async def _open(self) -> None:
        try:
            made = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(self), self._host, self._port
            )
        except OSError:  # the request stays in line, and is counted as failed if nobody ever takes it
            self._n_open -= 1
            return
        self.free(made[1])


def main() -> None:
    """Ask, then print a `Steady` as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("requests", type=Path)
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args()
    asked = uvloop.run(ask(given.url, read(given.requests), given.rate, given.seconds))
    print(json.dumps(asdict(summed(asked))))


def read(file: Path) -> list[tuple[str, bytes]]:
    """Paths and bodies, as `write` wrote them."""
    lines = (json.loads(line) for line in file.read_text().splitlines())
    return [(path, body.encode()) for path, body in lines]


def write(requests: Sequence[tuple[str, bytes]], file: Path) -> None:
    """The file that the command reads."""
    file.write_text("".join(json.dumps([path, body.decode()]) + "\n" for path, body in requests))


async def ask(
    url: str, requests: Sequence[tuple[str, bytes]], rate: float, seconds: float
) -> list[tuple[float, str, float, int]]:
    """Ask at fixed times.

    Returns:
        Of each request: seconds after the start when it was due, path, seconds to the answer (nan: none
        came within half a minute of the end), status (0: none).
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    clients, run = _Clients(host, port), f"{os.getpid()}-{time.time_ns()}"
    start, asked = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        path, body = requests[number % len(requests)]
        body = body.replace(EVENT_KEY, f"{run}-{number}".encode())
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        sent = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        each = _Asked(start + number / rate, path, sent)
        asked.append(each)
        if (early := each.due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        clients.send(each)
    until = time.perf_counter() + LAST_ANSWERS_SECONDS
    while not all(each.status for each in asked) and time.perf_counter() < until:
        await asyncio.sleep(0.05)
    clients.close()
    return [(each.due - start, each.path, each.seconds, each.status) for each in asked]


def summed(asked: Sequence[tuple[float, str, float, int]]) -> Steady:
    """Minutes, paths, and everything; what was never answered is infinitely late."""
    due, seconds = np.array([each[0] for each in asked]), np.array([each[2] for each in asked])
    status, path = np.array([each[3] for each in asked]), np.array([each[1] for each in asked])
    milliseconds = np.where(np.isnan(seconds), np.inf, seconds * 1000)

    def part(chosen: np.ndarray) -> Part:
        times = np.percentile(milliseconds[chosen], (50, 95, 99, 100), method="lower")
        failed = int((status[chosen] != 200).sum())
        return Part(int(chosen.sum()), failed, *(round(float(each), 2) for each in times))

    minute = (due // MINUTE).astype(int)
    return Steady(
        minutes=[part(minute == each) for each in np.unique(minute)],
        paths={str(each): part(path == each) for each in np.unique(path)},
        total=part(np.ones(len(asked), dtype=bool)),
        cpu_seconds=round(time.process_time(), 2),
    )


def _length(head: bytes) -> int:
    """Bytes of a body, from its head.

    Raises:
        ValueError: the head does not tell.
    """
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError(f"an answer must tell its length, but got {head[:200]!r}.")


if __name__ == "__main__":
    main()
