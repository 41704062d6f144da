"""A served Bento under load is killed, again and again: what was acknowledged is there once."""

import json
import os
import signal
import sqlite3
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import psutil
import pytest

from serving.bento import BentoInfo
from serving.connection import Connection
from serving.process import running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

N_KILLS, N_CLIENTS, BODY = 4, 6, 5
ACKNOWLEDGED_BEFORE_KILL = 150  # bodies, of all clients


class Teller:
    """One client: numbered events, `BODY` at a time; what was acknowledged is written down."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.n_sent = 0
        self.bodies: list[bytes] = []  # acknowledged

    def next_body(self) -> bytes:
        names = [f"client-{self.number}-{self.n_sent + each}" for each in range(BODY)]
        self.n_sent += BODY
        events = [
            {"event_key": name, "user": f"u{self.number}", "item": "10", "kind": "purchase"} for name in names
        ]
        return json.dumps({"events": events}).encode()

    def tell_until_it_dies(self, url: str, acknowledged: threading.Semaphore) -> None:
        client = Connection(url)
        try:
            while True:
                body = self.next_body()
                status, _ = client.post("/events", body)
                if status == 200:
                    self.bodies.append(body)
                    acknowledged.release()
        except (OSError, HTTPException):
            return
        finally:
            client.close()


def kill(family: list[psutil.Process]) -> None:
    for each in family:
        os.kill(each.pid, signal.SIGKILL)
    psutil.wait_procs(family, timeout=20)


def keys_of(bodies: list[bytes]) -> list[str]:
    return [event["event_key"] for body in bodies for event in json.loads(body)["events"]]


def test_acknowledged_events_survive_kills_exactly_once(
    built: BentoInfo, home: Path, stranger: str, tmp_path: Path
) -> None:
    store = tmp_path / "events.db"
    tellers = [Teller(number) for number in range(N_CLIENTS)]
    me = psutil.Process()
    for round_number in range(N_KILLS):
        known = set(me.children(recursive=True))
        log = tmp_path / f"service-{round_number}.log"
        with running(built.tag, home=home, log=log, python=stranger, events=str(store)) as url:
            family = list(set(me.children(recursive=True)) - known)
            assert len(family) >= 2  # BentoML's supervisor and its worker
            acknowledged = threading.Semaphore(0)
            with ThreadPoolExecutor(N_CLIENTS) as pool:
                told = [pool.submit(teller.tell_until_it_dies, url, acknowledged) for teller in tellers]
                for _ in range(ACKNOWLEDGED_BEFORE_KILL):
                    assert acknowledged.acquire(timeout=60)
                kill(family)  # in the middle: all clients go on sending
                for each in told:
                    each.result()
    with sqlite3.connect(store) as connection:
        kept = [key for (key,) in connection.execute("SELECT event_key FROM events")]
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    bodies = [body for teller in tellers for body in teller.bodies]
    expected = keys_of(bodies)
    assert len(bodies) >= N_KILLS * ACKNOWLEDGED_BEFORE_KILL
    assert not set(expected) - set(kept)  # nothing is lost
    assert max(Counter(kept).values()) == 1
    assert len(kept) <= sum(teller.n_sent for teller in tellers)

    with running(built.tag, home=home, log=tmp_path / "log", python=stranger, events=str(store)) as url:
        client = Connection(url)
        answers = [client.post("/events", body) for body in bodies]
        client.close()
    assert {status for status, _ in answers} == {200}
    assert [json.loads(answer)["known"] for _, answer in answers] == [BODY] * len(bodies)
    with sqlite3.connect(store) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (len(kept),)
