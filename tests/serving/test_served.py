"""A real Bento, built and served over HTTP by an interpreter that does not know this project."""

import json
import re
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from models.bundle import Bundle, digest
from serving.answers.answerer import Answerer
from serving.answers.query import NOTICES
from serving.bento import BentoInfo
from serving.connection import Connection
from serving.door.schemas import RecommendRequest
from serving.probe import Mode, replay

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def get(url: str) -> tuple[int, str]:
    with urllib.request.urlopen(url, timeout=10) as reply:
        return reply.status, reply.read().decode()


def post(url: str, body: object, path: str = "/recommend") -> tuple[int, Any]:
    client = Connection(url)
    try:
        status, answer = client.post(path, body if isinstance(body, bytes) else json.dumps(body).encode())
    finally:
        client.close()
    return status, json.loads(answer)


def frozen_requests(n_requests: int) -> list[RecommendRequest]:
    keys = ["10", "11", "12", "13", "14", "zz"]
    return [
        RecommendRequest(history=[keys[i % 6], keys[i % 5]], k=1 + i % 3, exclude=[keys[i % 4]])
        for i in range(n_requests)
    ]


def test_every_get_endpoint_answers(url: str) -> None:
    for path in (
        "/livez",
        "/readyz",
        "/metrics",
        "/docs.json",
        "/info",
        "/items?q=t",
        "/items/10",
        "/users?q=a",
        "/",
    ):
        assert get(url + path)[0] == 200


def test_an_answer_carries_the_tag_and_the_run(url: str, built: BentoInfo, bundle_folder: Path) -> None:
    status, answer = post(url, {"history": ["10", "zz"], "k": 2})
    assert status == 200
    assert [line["item"] for line in answer["items"]] == ["10", "11"]
    assert answer["ignored"] == ["zz"]
    assert answer["lineage"] == {
        "bento": built.tag,
        "run_id": "run-2",
        "snapshot": "snap-1",
        "generation": "gen-1",
        "family": "popularity",
        "bundle": digest(bundle_folder),
    }


def test_filters_diversity_and_reasons_are_served(url: str) -> None:
    body = {"user": "ann", "k": 2, "filters": {"department": ["dairy"]}, "diversity": 0.5, "explain": True}
    status, answer = post(url, body)
    assert status == 200
    assert [(line["item"], line["source"]) for line in answer["items"]] == [
        ("10", "repeats"),
        ("12", "counts"),
    ]
    assert answer["items"][1]["explanation"]["because"]["item"] == "10"


def test_items_and_baskets_are_answered_without_the_model(url: str) -> None:
    assert post(url, {"item": "10", "k": 1}, "/similar")[1]["items"][0]["item"] == "12"
    status, answer = post(url, {"basket": ["10"], "k": 2}, "/complete")
    assert (status, [line["item"] for line in answer["items"]]) == (200, ["12", "14"])
    assert post(url, {"item": "zz"}, "/similar")[0] == 400


def test_an_unknown_user_is_answered_and_counted(url: str) -> None:
    status, answer = post(url, {"user": "zoe", "k": 1})
    assert (status, answer["fallback"]) == (200, "unknown-user")
    assert 'encore_fallbacks_total{why="unknown-user"}' in get(f"{url}/metrics")[1]


def test_an_empty_history_is_answered_and_says_so(url: str) -> None:
    assert post(url, {"history": []})[1]["notice"].startswith(NOTICES["empty-history"])


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 400, "the body must be JSON"),
        (b"", 400, "the body must be JSON"),
        (b"\xff", 400, "the body must be JSON"),
        ({"k": 3}, 400, "give either history or user, but got neither"),
        ({"history": [], "user": "ann"}, 400, "give either history or user, but got both"),
        ({"history": [], "k": 101}, 400, "k: input should be less than or equal to 100, but got 101"),
        ({"history": [], "top": 1}, 400, "top: no such field"),
        ({"history": [], "filters": {"colour": ["red"]}}, 400, "filters: a field must be one of department"),
        ({"history": [], "diversity": 2}, 400, "diversity: input should be less than or equal to 1"),
        (b'{"history": ["' + b"x" * 5_000_000 + b'"]}', 413, "a body may have 4194304 bytes"),
    ],
)
def test_bad_input_is_refused_in_one_line(url: str, body: object, status: int, said: str) -> None:
    came, answer = post(url, body)
    assert came == status
    assert answer["error"].startswith(said)
    assert "\n" not in answer["error"]


def test_one_bad_request_among_many_is_named(url: str) -> None:
    status, answer = post(url, {"requests": [{"history": []}, {"user": "ann", "k": 0}]}, "/recommend/many")
    assert status == 400
    assert answer["error"].startswith("requests.1.k: ")


def test_a_path_that_does_not_exist_is_not_found(url: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(url + "/nothing")


@pytest.mark.parametrize("mode", ["alone", "batch", "concurrent"])
def test_the_service_gives_what_the_bundle_gives_offline(url: str, bundle: Bundle, mode: Mode) -> None:
    requests = frozen_requests(40)
    served = replay(url, requests, mode=mode)
    offline = Answerer(bundle, "").recommend(requests)
    for answer, expected in zip(served.answers, offline, strict=True):
        assert answer.items == [line.item for line in expected.items]
        assert answer.scores == [line.score for line in expected.items]
    assert 0 < served.p50_ms <= served.p99_ms


def test_a_refused_probe_says_what_came(url: str) -> None:
    with pytest.raises(RuntimeError, match="must answer 200 to a frozen request, but got 400"):
        replay(url, [RecommendRequest(history=[], filters={"colour": ["red"]})], mode="alone")


def test_hundreds_of_concurrent_requests_all_get_200(url: str) -> None:
    def ask(number: int) -> int:
        return post(url, {"history": ["10", "11"], "k": 1 + number % 4})[0]

    with ThreadPoolExecutor(64) as pool:
        statuses = list(pool.map(ask, range(640)))
    assert statuses == [200] * 640


def test_metrics_count_answers_refusals_and_batches(url: str) -> None:
    def count(name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", get(url + "/metrics")[1], re.MULTILINE)
        return float(found[1]) if found else 0.0

    names = [
        'encore_requests_total{kind="user"}',
        'encore_refusals_total{status="400"}',
        "encore_ignored_items_total",
        'encore_fallbacks_total{why="unknown-user"}',
        'encore_fallbacks_total{why="unknown-items"}',
        "encore_batch_size_sum",
        "encore_model_seconds_count",
    ]
    before = [count(name) for name in names]
    post(url, {"user": "ann"})
    post(url, {"user": "zoe"})
    post(url, {"history": ["zz", "yy"]})
    post(url, {"k": 0})
    assert [count(name) - was for name, was in zip(names, before, strict=True)] == [2, 1, 2, 1, 1, 3, 3]
