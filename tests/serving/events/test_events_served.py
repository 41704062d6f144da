"""A real Bento, served by an interpreter without this project and without psycopg, that takes feedback."""

import json
import re
import sqlite3
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from serving.bento import BentoInfo
from serving.process import running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def call(url: str, method: str, path: str, body: object = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"content-type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def tell(url: str, key: str, user: str = "ann", item: str = "12", **more: object) -> tuple[int, Any]:
    body = {"event_key": key, "user": user, "item": item, "kind": "purchase", **more}
    return call(url, "POST", "/events", body)


def recommend(url: str, **body: object) -> tuple[int, Any]:
    return call(url, "POST", "/recommend", body)


def count(url: str, name: str) -> float:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as reply:
        found = re.search(rf"^{re.escape(name)} (\S+)$", reply.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "events.db"


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("answers")


@pytest.fixture(scope="module")
def events_url(built: BentoInfo, home: Path, stranger: str, store: Path, answers: Path) -> Iterator[str]:
    log = store.with_name("service.log")
    with running(
        built.tag, home=home, log=log, python=stranger, events=str(store), answers=answers
    ) as address:
        yield address


def test_what_was_bought_a_second_ago_counts(events_url: str) -> None:
    before = recommend(events_url, user="bob", k=5, exclude_seen=True)[1]
    assert [line["item"] for line in before["items"]] == ["10", "11", "13", "14"]  # bob had 12
    assert tell(events_url, "bob-1", user="bob", item="11") == (
        200,
        {"new": 1, "known": 0, "forgotten": 0, "unknown_items": []},
    )
    after = recommend(events_url, user="bob", k=5, exclude_seen=True)[1]
    assert [line["item"] for line in after["items"]] == ["10", "13", "14"]


def test_a_user_that_only_the_store_knows_is_known(events_url: str) -> None:
    tell(events_url, "new-1", user="newcomer", item="10")
    status, answer = recommend(events_url, user="newcomer", k=2, exclude_seen=True)
    assert status == 200
    assert [line["item"] for line in answer["items"]] == ["11", "12"]
    assert answer["fallback"] is None


def test_telling_twice_is_harmless_and_telling_otherwise_is_refused(events_url: str) -> None:
    assert tell(events_url, "twice-1")[1]["new"] == 1
    assert tell(events_url, "twice-1")[1]["known"] == 1
    status, answer = tell(events_url, "twice-1", item="13")
    assert status == 409
    assert answer["error"].startswith("an event_key names one event, but 'twice-1' came before")


def test_events_on_unknown_items_are_kept_and_named(events_url: str, store: Path) -> None:
    body = {"events": [{"event_key": f"u{n}", "user": "ann", "item": "zz", "kind": "view"} for n in (1, 2)]}
    status, answer = call(events_url, "POST", "/events", body)
    assert (status, answer["new"], answer["unknown_items"]) == (200, 2, ["zz"])
    with sqlite3.connect(store) as connection:
        assert connection.execute("SELECT count(*) FROM events WHERE item_key = 'zz'").fetchone() == (2,)


def test_hits_are_counted_for_the_answer_that_was_named(events_url: str) -> None:
    names = [f'encore_live_{what}_total{{arm="champion"}}' for what in ("judged", "hits")]
    before = [count(events_url, name) for name in names]
    shown = recommend(events_url, user="cid", k=2)[1]  # 10, 11
    tell(events_url, "hit-1", user="cid", item="11", answer=shown["id"])
    tell(events_url, "miss-1", user="cid", item="14", answer=shown["id"])
    tell(events_url, "miss-1", user="cid", item="14", answer=shown["id"])  # known: judged once
    tell(events_url, "never-shown", user="cid", item="10", answer="20200101-0")
    tell(events_url, "lately-1", user="cid", item="10")
    tell(events_url, "seen-1", user="cid", item="10", kind="view")  # not a kind that counts
    assert [count(events_url, name) - was for name, was in zip(names, before, strict=True)] == [3, 2]
    assert count(events_url, 'encore_events_total{outcome="known"}') > 0
    assert count(events_url, "encore_events_seconds_count") > 0


def test_a_forgotten_user_is_gone_from_events_answers_and_histories(
    events_url: str, store: Path, answers: Path
) -> None:
    recommend(events_url, user="ann", k=2)
    tell(events_url, "ann-last", timestamp=1_700_000_000)
    kept = "".join(file.read_text() for file in answers.glob("*.jsonl"))
    assert '"ann"' in kept
    status, answer = call(events_url, "DELETE", "/users/ann")
    assert status == 200
    assert answer["events"] >= 1
    assert answer["answers"] >= 1
    assert '"ann"' not in "".join(file.read_text() for file in answers.glob("*.jsonl"))
    for file in store.parent.glob("events.db*"):
        assert b"ann-last" not in file.read_bytes()  # neither in the file nor in its write-ahead log
    assert tell(events_url, "ann-last", timestamp=1_700_000_000)[1]["forgotten"] == 1
    empty = recommend(events_url, user="ann", k=5, exclude_seen=True)[1]
    assert [line["item"] for line in empty["items"]] == ["10", "11", "12", "13", "14"]
    assert empty["fallback"] == "empty-history"
    assert call(events_url, "DELETE", "/users/nobody/at/all")[1]["events"] == 0


def test_a_store_that_cannot_be_written_acknowledges_nothing_and_recommending_goes_on(
    events_url: str, store: Path
) -> None:
    with sqlite3.connect(store, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")  # another process that writes and does not end
        status, answer = tell(events_url, "late-1", user="bob")
        assert status == 503
        assert "database is locked" in answer["error"]
        assert "send it again later" in answer["error"]
        assert recommend(events_url, user="bob", k=1)[0] == 200
        other.execute("ROLLBACK")
    assert tell(events_url, "late-1", user="bob")[1]["new"] == 1
    assert count(events_url, 'encore_events_store_failures_total{call="add"}') == 1


VIEW = {"event_key": "x", "user": "ann", "item": "10", "kind": "view"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"event_key": "x", "user": "ann", "item": "10"}, "events.0.kind: field required"),
        ({**VIEW, "event_key": "x\0"}, "events.0.event_key: no key may hold"),
        ({**VIEW, "event_key": "\ud800"}, "the body must be JSON"),
        (
            {**VIEW, "timestamp": 1_764_072_000_000},
            "events.0.timestamp: no event may be more than a day ahead",
        ),
        ({**VIEW, "timestamp": -1}, "events.0.timestamp: input should be greater than or equal to 0"),
        ({**VIEW, "price": 3}, "events.0.price: no such field"),
        ({"events": []}, "events: list should have at least 1 item"),
        ([], "body: "),
    ],
)
def test_bad_events_are_refused_in_one_line(events_url: str, body: object, said: str) -> None:
    status, answer = call(events_url, "POST", "/events", body)
    assert status == 400
    assert answer["error"].startswith(said)
    assert "\n" not in answer["error"]


def test_what_a_web_page_could_send_unasked_is_refused(events_url: str) -> None:
    request = urllib.request.Request(f"{events_url}/events", b"{}", {"content-type": "text/plain"})
    with pytest.raises(urllib.error.HTTPError, match="415"):
        urllib.request.urlopen(request, timeout=10)


def test_without_a_store_feedback_says_what_to_set(url: str) -> None:
    for method, path in (("POST", "/events"), ("DELETE", "/users/ann")):
        status, answer = call(url, method, path, {} if method == "POST" else None)
        assert status == 404
        assert "set ENCORE_EVENTS to the path of a SQLite file or a postgresql:// URL" in answer["error"]


def test_a_real_postgresql_server_that_goes_away_and_comes_back(
    bundle_folder: Path, tmp_path: Path, postgres: str
) -> None:
    plain = postgres.replace("+psycopg", "")
    log = tmp_path / "log"
    with (
        psycopg.connect(plain, autocommit=True) as admin,
        running(bundle_folder, log=log, events=postgres) as url,
    ):
        assert tell(url, "bob-1", user="bob", item="11")[1]["new"] == 1
        assert tell(url, "bob-1", user="bob", item="11")[1]["known"] == 1
        assert listed(url, "bob") == ["10", "13", "14"]
        admin.execute("ALTER USER shop PASSWORD 'another'")  # who connects from now on is refused
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'encore-events'"
        )
        status, answer = tell(url, "bob-2", user="bob", item="13")
        assert status == 503
        assert "send it again later" in answer["error"]
        answer = recommend(url, user="bob", k=5, exclude_seen=True)[1]
        assert [line["item"] for line in answer["items"]] == ["10", "11", "13", "14"]
        assert answer["notice"].startswith("the newest events of this user could not be read")
        admin.execute("ALTER USER shop PASSWORD 's3cret/word'")
        deadline = time.monotonic() + 40
        while tell(url, "bob-2", user="bob", item="13")[0] != 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        while listed(url, "bob") != ["10", "14"]:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert call(url, "DELETE", "/users/bob")[1]["events"] == 2
    assert "s3cret" not in log.read_text()


def listed(url: str, user: str) -> list[str]:
    return [line["item"] for line in recommend(url, user=user, k=5, exclude_seen=True)[1]["items"]]
