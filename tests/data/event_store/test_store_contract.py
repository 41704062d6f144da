"""What every event store keeps, whatever is behind it."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from data.event_store import postgresql
from data.event_store.event import Added, Clash, Event, EventStore
from data.event_store.users import forgotten_name

Open = Callable[..., EventStore]

BUY, SEE = ("purchase",), ("purchase", "view")


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a late database costs has tests of its own; here a busy machine must not fail."""
    monkeypatch.setattr(postgresql, "PATIENCE_SECONDS", 30)


def event(key: str, user: str = "ann", item: str = "10", timestamp: int = 100, **more: object) -> Event:
    fields = {"kind": "purchase", **more}
    return Event(key, user, item, timestamp, **fields)  # type: ignore[arg-type]


def add(store: EventStore, *events: Event) -> Added | Clash:
    return store.add([events])[0]


def rows(store: EventStore, user: str = "ann", since: int = 0, limit: int = 100, kinds=BUY):
    return store.of_user(user, kinds=kinds, since=since, limit=limit).rows


def stored(store: EventStore) -> list[tuple[object, ...]]:
    return [row for chunk in store.chunks(SEE) for row in chunk]


def test_what_was_added_is_there_after_opening_again(opened: Open) -> None:
    first = event("e1", basket_key="b1", answer="a1")
    assert add(opened(), first) == Added((first,), known=0, forgotten=0)
    again = opened(create=False)
    assert stored(again) == [("e1", "ann", "10", 100, "purchase", "b1")]
    assert rows(again) == [("10", 100, "b1")]


def test_the_same_event_is_kept_once_however_often_it_is_told(store: EventStore) -> None:
    one, two = event("e1"), event("e2")
    assert add(store, one, one) == Added((one,), known=1, forgotten=0)
    assert add(store, one, two) == Added((two,), known=1, forgotten=0)
    assert len(stored(store)) == 2


def test_bodies_of_one_transaction_see_each_other(store: EventStore) -> None:
    one, two = event("e1"), event("e2")
    done = store.add([[one], [one, two], [replace(one, item_key="11")]])
    assert done == [Added((one,), 0, 0), Added((two,), 1, 0), Clash(("e1",))]


@pytest.mark.parametrize(
    "change",
    [
        {"user_key": "bob"},
        {"item_key": "11"},
        {"timestamp": 101},
        {"kind": "view"},
        {"basket_key": "b"},
        {"answer": "a"},
        {"is_timed": False},
    ],
)
def test_a_key_with_other_content_is_refused_with_all_that_came_with_it(store: EventStore, change) -> None:
    add(store, event("e1"))
    assert add(store, event("e2"), replace(event("e1"), **change)) == Clash(("e1",))
    assert [row[0] for row in stored(store)] == ["e1"]


def test_a_time_that_nobody_told_cannot_differ(store: EventStore) -> None:
    first = event("e1", timestamp=100, is_timed=False)
    add(store, first)
    assert add(store, replace(first, timestamp=200)) == Added((), known=1, forgotten=0)
    assert rows(store) == [("10", 100, None)]


def test_a_users_newest_events_come_by_time_then_as_they_came(store: EventStore) -> None:
    add(store, event("e1", item="a", timestamp=30), event("e2", item="b", timestamp=10))
    add(store, event("e3", item="c", timestamp=30), event("e4", user="bob", item="d", timestamp=20))
    assert [row[0] for row in rows(store)] == ["b", "a", "c"]
    assert [row[0] for row in rows(store, limit=2)] == ["a", "c"]
    assert [row[0] for row in rows(store, since=11)] == ["a", "c"]
    assert rows(store, since=31) == []
    assert rows(store, user="nobody") == []


def test_kinds_are_chosen(store: EventStore) -> None:
    add(store, event("e1", item="a", kind="view"), event("e2", item="b"), event("e3", kind="cart"))
    assert [row[0] for row in rows(store)] == ["b"]
    assert [row[0] for row in rows(store, kinds=SEE)] == ["a", "b"]
    assert [row[0] for row in stored(store)] == ["e1", "e2"]


def test_a_body_may_be_large(store: EventStore) -> None:
    many = [event(f"e{number}", user=f"u{number % 7}") for number in range(5_000)]
    assert add(store, *many) == Added(tuple(many), 0, 0)
    assert add(store, *many) == Added((), 5_000, 0)


KEYS = ["ä", "a'b", 'a"b', "%s", "?", "a\nb", "日本", "x" * 512, "null", "\\"]


@pytest.mark.parametrize("key", KEYS)
def test_any_text_is_a_key(store: EventStore, key: str) -> None:
    add(store, event(key, user=key, item=key, kind="purchase", basket_key=key, answer=key))
    assert stored(store) == [(key, key, key, 100, "purchase", key)]
    assert rows(store, user=key) == [(key, 100, key)]
    assert add(store, event(key, user=key, item=key, basket_key=key, answer=key)) == Added((), 1, 0)


def test_a_forgotten_user_is_gone_and_stays_gone(store: EventStore) -> None:
    told, untold = event("e1", timestamp=100), event("e2", timestamp=150, is_timed=False)
    other = event("e3", user="bob")
    add(store, told, untold, other)
    assert store.forget("ann", now=200) == 2
    assert [row[0] for row in stored(store)] == ["e3"]
    found = store.of_user("ann", kinds=BUY, since=0, limit=9)
    assert (found.rows, found.forgotten_at) == ([], 200)
    assert store.of_user("bob", kinds=BUY, since=0, limit=9).forgotten_at is None
    # told again; told late for the first time; and what happened after the deletion
    again = [told, replace(untold, timestamp=300), event("e4", timestamp=200)]
    after = event("e5", timestamp=201)
    assert add(store, *again, after, other) == Added((after,), known=1, forgotten=3)
    assert rows(store) == [("10", 201, None)]


def test_what_is_remembered_of_a_deletion_is_hashes_only(store: EventStore) -> None:
    add(store, event("e1"))
    store.forget("ann", now=200)
    store.forget("ann", now=300)
    assert store.forgotten() == {forgotten_name("user", "ann"): 300, forgotten_name("event", "e1"): 200}
    assert not any(name.startswith("ann") for name in store.forgotten())


def test_a_user_without_events_can_be_forgotten(store: EventStore) -> None:
    assert store.forget("zoe", now=200) == 0
    assert add(store, event("e1", user="zoe", timestamp=200)) == Added((), 0, 1)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("a" * 16, None, "written one way, here hashed with a salt of their own, but got no salt"),
        (None, "a" * 16, "written one way, here as they came, but got a salt"),
        ("a" * 16, "b" * 16, "written one way, here hashed with a salt of their own, but got a salt"),
    ],
)
def test_a_store_is_opened_with_its_salt_only(opened: Open, first, second, said) -> None:
    opened(first)
    with pytest.raises(ValueError, match=said):
        opened(second)
    opened(first)


def test_two_services_that_share_a_store_keep_each_event_once(opened: Open) -> None:
    first, second = opened(), opened()
    start = threading.Barrier(2)

    def tell(store: EventStore) -> int:
        start.wait()
        n_new = 0
        for number in range(0, 300, 3):
            (done,) = store.add([[event(f"e{number + each}") for each in range(3)]])
            assert isinstance(done, Added)
            n_new += len(done.new)
        return n_new

    with ThreadPoolExecutor(2) as pool:
        n_new = list(pool.map(tell, [first, second]))
    assert sum(n_new) == 300
    assert Counter(row[0] for row in stored(first)) == Counter(f"e{number}" for number in range(300))
