"""The catalogue over HTTP, in one process: what is refused, and with which words."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from serving.catalogue.live import LiveCatalogue
from serving.door.pages import pages
from serving.metrics import Metrics
from tests.serving.catalogue.conftest import Open

JSON = {"content-type": "application/json"}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def browser(opened: Open, registry: CollectorRegistry) -> TestClient:
    app = pages()
    app.state.live = LiveCatalogue({"champion": opened("popularity")}, None, Metrics(registry))
    app.state.answerer = app.state.live.seat("champion")
    return TestClient(app)


def test_a_change_answers_with_the_new_state_and_a_revert_undoes_it(browser: TestClient) -> None:
    before = browser.get("/catalogue").json()
    assert (before["version"], before["items"], before["kept"]) == (0, 20, "memory")
    items = [{"item": "oat", "fields": {"title": "milk fresh oat"}}, {"item": "i1", "hidden": True}]
    after = browser.put("/catalogue", json={"items": items})
    assert after.status_code == 200
    assert {name: after.json()[name] for name in ("version", "items", "added", "hidden")} == {
        "version": 1,
        "items": 21,
        "added": 1,
        "hidden": 1,
    }
    assert browser.get("/info").json()["catalogue"] == 1
    assert browser.get("/items", params={"q": "oat"}).json() == [{"item": "oat", "title": "milk fresh oat"}]
    back = browser.post("/catalogue/revert", json={}).json()
    assert (back["version"], back["items"], back["digest"]) == (2, 20, before["digest"])
    assert browser.post("/catalogue/revert", json={"to": 1}).json()["added"] == 1


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "items: field required"),
        ({"items": []}, 400, "items: list should have at least 1 item"),
        ({"items": [{"item": "i1"}]}, 400, "items.0: item 'i1' must change, but got nothing about it"),
        ({"items": [{"item": "i1", "colour": 1}]}, 400, "items.0.colour: no such field"),
        (
            {"items": [{"item": "i1", "hidden": "yes"}]},
            400,
            "items.0.hidden: input should be a valid",
        ),
        ({"items": [{"item": "i1", "hidden": True}] * 2}, 400, "items: an item may come once in a change"),
        ({"items": [{"item": "i1", "fields": {"colour": "red"}}]}, 409, "fields must be columns of the cat"),
        ({"items": [{"item": "i1", "fields": {"title": {"a": 1}}}]}, 400, "items.0.fields.title"),
        ({"items": [{"item": "zz", "hidden": True}]}, 409, "an item that is new must come with a field"),
    ],
)
def test_a_bad_change_is_refused_in_one_line(
    browser: TestClient, body: dict[str, Any], status: int, said: str
) -> None:
    reply = browser.put("/catalogue", json=body)
    assert (reply.status_code, reply.json()["error"][: len(said)]) == (status, said)
    assert browser.get("/catalogue").json()["version"] == 0


def test_what_a_form_of_another_site_could_send_is_refused(browser: TestClient) -> None:
    assert browser.put("/catalogue", content=b"{}").status_code == 415
    assert browser.post("/catalogue/revert", data={"to": "0"}).status_code == 415


def test_not_a_number_is_refused(browser: TestClient) -> None:
    body = b'{"items": [{"item": "i1", "fields": {"price": NaN}}]}'
    assert browser.put("/catalogue", content=body, headers=JSON).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"), [({}, 409), ({"to": 7}, 409), ({"to": -1}, 400), ({"to": "0"}, 400)]
)
def test_a_revert_to_nowhere_is_refused(browser: TestClient, body: dict[str, Any], status: int) -> None:
    assert browser.post("/catalogue/revert", json=body).status_code == status


def test_prometheus_sees_version_and_size(browser: TestClient, registry: CollectorRegistry) -> None:
    browser.put("/catalogue", json={"items": [{"item": "i1", "hidden": True}]})
    names = ("encore_catalogue_version", "encore_catalogue_items", "encore_catalogue_hidden")
    assert [registry.get_sample_value(name) for name in names] == [1, 20, 1]
    assert registry.get_sample_value("encore_forbidden_items_served_total") == 0
