"""Which answer an event belongs to, and how many answers are remembered."""

from data.event_store.event import Event
from serving.events.live_hits import LATELY_SECONDS, Judged, LiveHits


def event(item: str, user: str = "ann", answer: str | None = None) -> Event:
    return Event("e", user, item, 0, "purchase", answer=answer)


def test_an_event_is_judged_by_the_answer_that_it_names() -> None:
    live = LiveHits()
    live.shown("a1", "ann", "champion", ("10", "11"), now=0)
    live.shown("a2", "ann", "challenger", ("12",), now=1)
    assert live.judge(event("11", answer="a1"), now=2) == Judged("champion", True)
    assert live.judge(event("12", answer="a1"), now=2) == Judged("champion", False)
    assert live.judge(event("12", answer="a2"), now=2) == Judged("challenger", True)
    assert live.judge(event("12", answer="a3"), now=2) is None


def test_without_a_name_the_newest_answer_to_the_user_counts_for_an_hour() -> None:
    live = LiveHits()
    live.shown(None, "ann", "champion", ("10",), now=0)
    live.shown(None, "ann", "challenger", ("11",), now=5)
    assert live.judge(event("10"), now=6) == Judged("challenger", False)
    assert live.judge(event("11"), now=5 + LATELY_SECONDS) == Judged("challenger", True)
    assert live.judge(event("11"), now=6 + LATELY_SECONDS) is None
    assert live.judge(event("11", user="bob"), now=6) is None


def test_an_answer_by_history_is_known_by_its_name_only() -> None:
    live = LiveHits()
    live.shown("a1", None, "champion", ("10",), now=0)
    assert live.judge(event("10", answer="a1"), now=1) == Judged("champion", True)
    assert live.judge(event("10"), now=1) is None


def test_the_oldest_answers_are_dropped() -> None:
    live = LiveHits(n_answers=2)
    for number in range(3):
        live.shown(f"a{number}", f"u{number}", "champion", ("10",), now=number)
    judged = [live.judge(event("10", answer=f"a{number}"), now=4) is not None for number in range(3)]
    assert judged == [False, True, True]
    assert [live.judge(event("10", user=f"u{number}"), now=4) is not None for number in range(3)] == judged


def test_a_user_who_comes_back_is_the_newest_again() -> None:
    live = LiveHits(n_answers=2)
    for name, user in (("a1", "ann"), ("a2", "bob"), ("a3", "ann"), ("a4", "cid")):
        live.shown(name, user, "champion", ("10",), now=0)
    assert live.judge(event("10", user="ann"), now=1) is not None
    assert live.judge(event("10", user="bob"), now=1) is None


def test_a_forgotten_user_is_dropped() -> None:
    live = LiveHits()
    live.shown("a1", "ann", "champion", ("10",), now=0)
    live.shown("a2", "bob", "champion", ("10",), now=0)
    live.forget("ann")
    assert live.judge(event("10", answer="a1"), now=1) is None
    assert live.judge(event("10"), now=1) is None
    assert live.judge(event("10", user="bob"), now=1) is not None
