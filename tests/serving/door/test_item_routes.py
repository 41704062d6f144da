"""What a caller gets who asks about items."""

import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from models.bundle import Bundle
from serving.answers.answerer import Answerer
from serving.door.pages import pages
from serving.metrics import Metrics


class Shop:
    """The routes over a bundle, and what Prometheus would see."""

    def __init__(self, bundle: Bundle) -> None:
        app, self._registry = pages(), CollectorRegistry()
        app.state.answerer = Answerer(bundle, "d" * 64, "recommender:v1")
        app.state.metrics = Metrics(self._registry)
        self.client = TestClient(app)

    def count(self, name: str, **labels: str) -> float:
        return self._registry.get_sample_value(f"encore_{name}_total", labels) or 0.0


@pytest.fixture
def shop(bundle: Bundle) -> Shop:
    return Shop(bundle)


def test_similar_items_come_with_where_they_come_from(shop: Shop) -> None:
    answer = shop.client.post("/similar", json={"item": "10", "k": 1}).json()
    assert [(line["item"], line["source"]) for line in answer["items"]] == [("12", "content")]
    assert answer["lineage"]["bundle"] == "d" * 64
    assert shop.count("requests", kind="similar") == 1


def test_a_basket_is_completed_and_what_is_unknown_is_named(shop: Shop) -> None:
    answer = shop.client.post("/complete", json={"basket": ["12", 13, "zz"], "k": 2}).json()
    assert [line["item"] for line in answer["items"]] == ["10", "14"]  # by content: butter shared no basket
    assert (answer["fallback"], answer["ignored"]) == ("no-basket", ["zz"])
    assert shop.count("requests", kind="complete") == 1
    assert shop.count("fallbacks", why="no-basket") == 1


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/similar", {"item": "zz"}, "item: the catalogue has no 'zz'"),
        ("/similar", {}, "item: field required"),
        ("/similar", {"item": "10", "filters": {"colour": ["red"]}}, "filters: a field must be one of"),
        ("/similar", {"item": "10", "filters": {"title": []}}, "filters: title must name a value"),
        ("/complete", {"basket": []}, "basket: list should have at least 1 item"),
        ("/complete", {"basket": ["10"], "k": 0}, "k: input should be greater than or equal to 1"),
    ],
)
def test_a_mistake_is_told_and_counted(shop: Shop, path: str, body: object, said: str) -> None:
    reply = shop.client.post(path, json=body)
    assert reply.status_code == 400
    assert reply.json()["error"].startswith(said)
    assert shop.count("refusals", status="400") == 1


def test_an_item_is_described(shop: Shop) -> None:
    assert shop.client.get("/items/10").json() == {
        "item": "10",
        "title": "milk",
        "fields": {"title": "milk", "department": "dairy", "in_stock": True},
        "codes": [0, 0],
        "sharing": [3, 1],
        "neighbours": [
            {"item": "12", "title": "butter", "similarity": 1.0},
            {"item": "14", "title": "salt", "similarity": pytest.approx(0.5**0.5)},
        ],
    }


def test_of_an_item_without_content_the_codes_are_known(shop: Shop) -> None:
    tea = shop.client.get("/items/13").json()
    assert (tea["codes"], tea["neighbours"]) == ([0, 2], [])


def test_an_item_that_is_not_there_is_not_found(shop: Shop) -> None:
    for key in ("zz", "10/11", "%F0%9F%8D%9E"):
        reply = shop.client.get(f"/items/{key}")
        assert reply.status_code == 404
        assert reply.json()["error"].startswith("no such item")
