"""The circle of feedback as a person closes it: retrain, serve, tell, and the next snapshot has it."""

import json
import signal
import time
import urllib.request

import polars as pl
import pytest

from data.snapshot import open_snapshot
from flows.environment import Home
from serving.process import free_port

from .conftest import SMOKE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
HOURS_73 = 1_500_000_000 + 73 * 3_600  # the planted events end within the hour before


def ask(url: str, path: str, body: object) -> dict[str, object]:
    data = json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, object] = json.load(response)
        return answer


def wait(url: str, process) -> None:
    deadline = time.monotonic() + 180
    while True:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                return
        except OSError:
            time.sleep(0.2)


def snapshots(home: Home) -> dict[str, pl.DataFrame]:
    found = [open_snapshot(file.parent) for file in home.snapshots.glob("*/manifest.json")]
    return {each.digest: each.interactions() for each in found}


def done(encore, home: Home, *words: str, **more: str) -> str:
    process = encore(home.root, *words, **more)
    said, _ = process.communicate(timeout=400)
    assert process.returncode == 0, said
    return said


def test_what_users_did_is_in_the_next_snapshot_and_in_their_history(encore, server, tmp_path):
    home, config = Home(tmp_path / "home"), tmp_path / "events.toml"
    smoke = SMOKE.read_text()
    assert '[source]\nkind = "synthetic"' in smoke
    source = '[source]\nkind = "events"\n[source.base]\nkind = "synthetic"'
    config.write_text(smoke.replace('[source]\nkind = "synthetic"', source))
    done(encore, home, "retrain", str(config), PREFECT_API_URL=server)  # nothing was told yet
    (first,) = snapshots(home)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    serving = encore(home.root, "serve", "--port", str(port))
    try:
        wait(url, serving)
        asked = {"user": "user-000", "k": 40, "exclude_seen": True}
        before = ask(url, "/recommend", asked)
        item = before["items"][0]["item"]
        event = {"user": "user-000", "item": item, "kind": "purchase", "timestamp": HOURS_73}
        told = {"events": [{"event_key": "e1", **event}, {"event_key": "e2", **event, "item": "unknown"}]}
        assert ask(url, "/events", told)["unknown_items"] == ["unknown"]
        answer = ask(url, "/recommend", asked)
    finally:
        serving.send_signal(signal.SIGTERM)
        said, _ = serving.communicate(timeout=60)
    assert serving.returncode == 0, said
    assert item not in [line["item"] for line in answer["items"]]
    said = done(encore, home, "trace", answer["id"])
    assert "Asked again: the same items and scores." in " ".join(said.split())

    done(encore, home, "validate", str(config))
    second = snapshots(home)
    assert len(second) == 2
    old = second.pop(first)
    (new,) = second.values()
    assert new.height == old.height + 1
    told_of = new.filter(pl.col("timestamp") == HOURS_73)
    assert told_of.select("user_key", "item_key").rows() == [("user-000", item)]
