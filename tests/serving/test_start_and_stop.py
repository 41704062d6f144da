"""A real service starts with a whole bundle only, is ready once it is proven, and ends what it began."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from models import bundle as bundles
from serving import bento
from serving.bento import BentoInfo
from serving.process import free_port, running, stop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

N_OPEN = 24
BODY = b'{"history": ["10", "zz"], "k": 2}'


@contextmanager
def starting(target: Path, home: Path, log: Path) -> "Iterator[tuple[subprocess.Popen[bytes], int]]":
    """A service that was just started, and its port; nobody waited for it."""
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", str(target), "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=home, env=bento.environment(home), stdout=out, stderr=subprocess.STDOUT
        )
    try:
        yield process, port
    finally:
        stop(process)


def is_ready(port: int, patience: float = 0.5) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=patience) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def opened(port: int) -> socket.socket:
    """A request whose headers and half of whose body the service has."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    head = f"POST /recommend HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(BODY)}\r\n\r\n"
    connection.sendall(head.encode() + BODY[:10])
    return connection


def test_what_was_accepted_is_answered_and_then_the_port_is_closed(built: BentoInfo, tmp_path: Path) -> None:
    with starting(built.path, tmp_path, tmp_path / "log") as (process, port):
        while not is_ready(port):
            time.sleep(0.05)
        connections = [opened(port) for _ in range(N_OPEN)]
        time.sleep(0.5)  # all are in the service's hands
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        answers = []
        for connection in connections:
            connection.sendall(BODY[10:])
            with connection, connection.makefile("rb") as answer:
                answers.append(answer.read())  # up to the end: the service hangs up
        process.wait(20)
        assert [each.split(b"\r\n")[0] for each in answers] == [b"HTTP/1.1 200 OK"] * N_OPEN
        assert all(json.loads(each.partition(b"\r\n\r\n")[2])["items"] for each in answers)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


def test_requests_under_way_survive_the_stop(built: BentoInfo, tmp_path: Path) -> None:
    """Clients that ask on and on: each answer that comes is whole, and none is an error."""
    statuses: list[int] = []
    broken: list[str] = []
    with starting(built.path, tmp_path, tmp_path / "log") as (process, port):
        while not is_ready(port):
            time.sleep(0.05)

        def ask() -> None:
            while True:
                request = urllib.request.Request(f"http://127.0.0.1:{port}/recommend", BODY)
                try:
                    with urllib.request.urlopen(request, timeout=20) as answer:
                        json.loads(answer.read())
                        statuses.append(answer.status)
                except urllib.error.HTTPError as error:
                    broken.append(f"{error.code}")
                    return
                except (urllib.error.URLError, OSError):
                    return  # refused, or let go before the request was read: nothing was accepted
                except ValueError as error:
                    broken.append(f"half an answer: {error}")
                    return

        clients = [threading.Thread(target=ask) for _ in range(8)]
        for client in clients:
            client.start()
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join(30)
        process.wait(20)
    assert len(statuses) > 50
    assert set(statuses) == {200}
    assert broken == []


def test_it_is_ready_once_it_is_loaded_and_proven_and_not_before(built: BentoInfo, tmp_path: Path) -> None:
    log, early = tmp_path / "log", 0
    with starting(built.path, tmp_path, log) as (_, port):
        while "initialized" not in log.read_text():  # BentoML says so after loading and proving
            early += is_ready(port, 0.05) and "initialized" not in log.read_text()  # nor since it was read
            time.sleep(0.02)
        deadline = time.monotonic() + 20
        while not is_ready(port) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert is_ready(port)
    assert early == 0


def test_a_bento_with_one_byte_changed_is_refused_with_the_reason(built: BentoInfo, tmp_path: Path) -> None:
    copy = tmp_path / "bento"
    shutil.copytree(built.path, copy)
    damaged = copy / "src" / "bundle" / "weights.safetensors"
    damaged.chmod(0o644)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    with (
        pytest.raises(RuntimeError, match=r"the files must match the recorded digest, but got"),
        running(copy, log=tmp_path / "log"),
    ):
        pass


def test_a_foreign_bundle_is_refused_with_the_reason(bundle_folder: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    shutil.copytree(bundle_folder, foreign)
    head = json.loads((foreign / "bundle.json").read_text()) | {"family": "their-own"}
    (foreign / "bundle.json").write_text(json.dumps(head))
    (foreign / "digest").write_text(bundles._digest(foreign))
    with (
        pytest.raises(RuntimeError, match=r"the family must be one of (.|\n)*'their-own'"),
        running(foreign, log=tmp_path / "log"),
    ):
        pass
