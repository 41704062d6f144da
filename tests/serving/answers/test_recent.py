"""A bundle's history and what came after it, as one history."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.interactions import Interactions
from models.bundle import Bundle
from serving.answers.answerer import Answerer
from serving.answers.recent import Recent, RecentEvent, continued
from serving.door.schemas import RecommendRequest, RecommendResponse

NOTHING = Interactions.from_histories([[]])
OWN = Interactions.from_histories([[3, 4, 4]], times=[[5, 9, 9]], baskets=[[0, 1, 1]])


def event(time: int, basket: str | None = None, item: str = "x") -> RecentEvent:
    return RecentEvent(item, time, basket)


def test_events_follow_the_history_in_baskets_of_their_own() -> None:
    found = continued(OWN, [event(10), event(10, "b"), event(11, "b")], [0, 1, 2])
    assert found.items == [3, 4, 4, 0, 1, 2]
    assert found.times == [5, 9, 9, 10, 10, 11]
    assert found.baskets == [0, 1, 1, 2, 3, 3]


def test_what_the_bundle_has_already_is_not_added_again() -> None:
    # before its end; at its end on an item that it has there; at its end on another; on one it has elsewhere
    events = [event(8), event(9), event(9), event(9)]
    found = continued(OWN, events, [0, 4, 0, 3])
    assert found.items == [3, 4, 4, 0, 3]
    assert found.added == (events[2], events[3])


def test_unknown_items_are_left_out() -> None:
    found = continued(NOTHING, [event(1, item="a"), event(2, item="b")], [-1, 7])
    assert (found.items, found.times, found.baskets) == ([7], [2], [0])
    assert found.added == (event(2, item="b"),)


def test_baskets_that_overlap_stay_whole_and_times_never_go_back() -> None:
    events = [event(1, "a"), event(2, "b"), event(3, "a"), event(4, "b")]
    found = continued(NOTHING, events, [0, 1, 2, 3])
    assert found.items == [0, 2, 1, 3]
    assert found.times == [1, 3, 3, 4]  # b began at 2, before a ended
    assert found.baskets == [0, 0, 1, 1]


EVENTS = st.lists(
    st.tuples(st.integers(0, 20), st.sampled_from([None, "a", "b"]), st.integers(-1, 4)), max_size=8
)


@given(EVENTS, st.sampled_from([NOTHING, OWN]))
def test_a_continued_history_is_in_canonical_order(
    rows: list[tuple[int, str | None, int]], own: Interactions
) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    found = continued(own, [event(time, basket) for time, basket, _ in rows], [item for *_, item in rows])
    n_own = len(own)
    assert found.items[:n_own] == own.item.tolist()
    assert all(np.diff(found.times) >= 0)
    assert all(np.isin(np.diff(found.baskets), (0, 1)))
    assert len(found.items) == len(found.times) == len(found.baskets) == n_own + len(found.added)
    assert -1 not in found.items
    # asked again with what it rests on, it is the same
    known = [(each.time, each.basket) for each in found.added]
    again = continued(own, [event(*each) for each in known], found.items[n_own:])
    assert (again.items, again.times, again.baskets) == (found.items, found.times, found.baskets)


class Told:
    """What a store would say of each user."""

    def __init__(self, **known: Recent) -> None:
        self.known = known
        self.since: list[int] = []

    def of(self, user: str, *, since: int) -> Recent:
        self.since.append(since)
        return self.known.get(user, Recent())

    def stored(self, user: str) -> str:
        return user.removeprefix("plain-")

    def is_gone(self, key: str) -> bool:
        return self.known.get(key, Recent()).is_forgotten


def asked(bundle: Bundle, told: Told, user: str) -> RecommendResponse:
    request = RecommendRequest(user=user, k=5, exclude_seen=True)
    return Answerer(bundle, "", recent=told).recommend([request])[0]


def keys(answer: RecommendResponse) -> list[str]:
    return [each.item for each in answer.items]


def test_a_known_user_is_asked_with_what_came_since(bundle: Bundle) -> None:
    told = Told(ann=Recent([event(10, item="13"), event(11, item="zz")]))
    answer = asked(bundle, told, "ann")  # the bundle has 10 and 11
    assert keys(answer) == ["12", "14"]
    assert answer.ignored == []  # zz is nothing that the caller sent
    assert told.since == [9]  # the bundle's newest


def test_a_user_of_the_store_only_is_known_and_one_of_neither_is_not(bundle: Bundle) -> None:
    told = Told(zoe=Recent([event(10, item="10")]), yan=Recent([event(10, item="zz")]))
    assert keys(asked(bundle, told, "zoe")) == ["11", "12", "13", "14"]
    assert asked(bundle, told, "zoe").fallback is None
    assert asked(bundle, told, "yan").fallback == "unknown-items"
    answerer = Answerer(bundle, "", recent=told)
    known = [answerer.knows(RecommendRequest(user=user)) for user in ("ann", "zoe", "yan", "nobody")]
    assert known == [True, True, True, False]
    assert asked(bundle, told, "nobody").fallback == "unknown-user"


def test_a_forgotten_user_has_what_came_after_only(bundle: Bundle) -> None:
    told = Told(ann=Recent([event(10, item="13")], is_forgotten=True), bob=Recent(is_forgotten=True))
    assert keys(asked(bundle, told, "ann")) == ["10", "11", "12", "14"]
    assert asked(bundle, told, "bob").fallback == "empty-history"


def test_a_user_whose_key_the_bundle_has_hashed_is_known(bundle: Bundle) -> None:
    assert keys(asked(bundle, Told(), "plain-ann")) == ["12", "13", "14"]


def test_events_that_could_not_be_read_are_told(bundle: Bundle) -> None:
    answer = asked(bundle, Told(ann=Recent(notice="not read")), "ann")
    assert keys(answer) == ["12", "13", "14"]
    assert (answer.notice or "").startswith("not read")
