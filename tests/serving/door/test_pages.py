"""What a browser gets, and that the page needs nobody else."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from data.catalogue import Catalogue
from data.event_store.event import Event
from data.event_store.sqlite import SqliteStore
from data.event_store.users import UserKeys
from models.bundle import Bundle
from serving.answers.answerer import Answerer
from serving.door.pages import PAGE, find_users, info, pages
from serving.events.metrics import EventMetrics
from serving.events.recent import StoredEvents


@pytest.fixture
def browser(bundle: Bundle) -> TestClient:
    app = pages()
    app.state.answerer = Answerer(bundle, "d" * 64, "recommender:v1")
    return TestClient(app)


def test_info_says_what_is_served(browser: TestClient) -> None:
    told = browser.get("/info").json()
    assert (told["n_items"], told["n_users"]) == (5, 3)
    assert told["lineage"]["bento"] == "recommender:v1"
    assert told["numbers"] == []


def test_info_names_the_fields_that_hold_numbers(bundle: Bundle) -> None:
    priced = bundle.catalogue.frame.with_columns(price=pl.lit(1.5), grams=pl.lit(3), tags=pl.lit(["a"]))
    told = info(Answerer(replace(bundle, catalogue=Catalogue(priced, ("title",))), ""))
    assert told["numbers"] == ["price", "grams"]


def test_items_are_found_by_key_and_by_words_of_the_title(browser: TestClient) -> None:
    assert browser.get("/items", params={"q": "13"}).json() == [{"item": "13", "title": "tea"}]
    assert browser.get("/items", params={"q": "BUT"}).json() == [{"item": "12", "title": "butter"}]
    assert browser.get("/items", params={"q": "nothing"}).json() == []
    assert len(browser.get("/items").json()) == 5


def test_users_are_found_by_the_start_of_their_key(browser: TestClient) -> None:
    assert browser.get("/users", params={"q": "b"}).json() == ["bob"]


@pytest.mark.parametrize("salt", [None, "a secret of some length"])
def test_a_deleted_user_is_found_no_more_until_it_does_something(
    bundle: Bundle, tmp_path: Path, salt: str | None
) -> None:
    users = UserKeys(salt)
    for name, keys in (("plain", ["ann", "bob"]), ("hashed", [users.stored("ann"), users.stored("bob")])):
        store = SqliteStore(tmp_path / name, users)
        told = StoredEvents(store, users, ("purchase",), EventMetrics(CollectorRegistry()))
        found = partial(find_users, Answerer(replace(bundle, user_keys=[*keys, "cid"]), "", recent=told), "")
        assert found() == [*keys, "cid"]
        store.forget(users.stored("ann"), 100)
        assert found() == [keys[1], "cid"]
        store.add([[Event("later", users.stored("ann"), "10", 101, "purchase")]])
        assert found() == [*keys, "cid"]


def test_the_page_loads_nothing_from_elsewhere(browser: TestClient) -> None:
    reply = browser.get("/")
    assert reply.headers["content-type"].startswith("text/html")
    assert reply.headers["content-security-policy"].startswith("default-src 'self';")
    for file in PAGE.iterdir():
        assert browser.get(f"/page/{file.name}").status_code == 200
        assert not re.search(r"https?://|//cdn|@import", file.read_text())


def test_the_page_shows_keys_and_titles_as_text_only() -> None:
    assert "innerHTML" not in (PAGE / "page.js").read_text()


def test_of_the_page_nothing_else_is_served(browser: TestClient) -> None:
    for path in ("/page/", "/page/../pages.py", "/page/%2e%2e/pages.py", "/page/nothing.js"):
        assert browser.get(path).status_code == 404


def test_a_comparison_needs_a_challenger(browser: TestClient) -> None:
    nothing = browser.post("/trial/compare", json={"history": []})
    assert (nothing.status_code, nothing.json()["error"][:18]) == (404, "a comparison needs")
    assert browser.post("/trial/compare", json={"k": 1}).status_code == 400


def test_a_revert_by_hand_needs_a_trial(browser: TestClient) -> None:
    assert browser.get("/info").json()["trial"] is None
    assert browser.post("/trial/revert", json={}).status_code == 400
    nothing = browser.post("/trial/revert", json={"reason": "x"})
    assert (nothing.status_code, nothing.json()["error"][:21]) == (404, "a revert needs a tria")
