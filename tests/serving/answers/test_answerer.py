"""Requests to lists: item i of the catalogue ("10" to "14") has score 5 - i for everyone."""

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.catalogue import Catalogue
from data.interactions import Interactions
from models.bundle import Bundle
from models.recommender import Config, Mask, Recommendations, top_k
from serving.answers.answerer import Answerer
from serving.answers.query import NOTICES, Unanswerable
from serving.door.schemas import RecommendRequest, RecommendResponse

Ask = Callable[..., RecommendResponse]


class Newest:
    """Prefers what follows the newest item; remembers what it was asked."""

    family: ClassVar[str] = "newest"
    config = Config()

    def __init__(self) -> None:
        self.asked: list[Interactions] = []

    def recommend(self, histories: Interactions, k: int, *, allowed: Mask | None = None) -> Recommendations:
        self.asked.append(histories)
        scores = np.zeros((histories.n_users, 5), dtype=np.float32)
        for row in range(histories.n_users):
            for item in histories.history(row)[-1:]:
                scores[row, (item + 1) % 5] = 1
        return top_k(scores, k, allowed)

    def state(self) -> dict[str, np.ndarray]:
        return {}

    @classmethod
    def from_state(cls, config: Config, state: dict[str, np.ndarray]) -> "Newest":
        return cls()


@pytest.fixture(scope="module")
def ask(bundle: Bundle) -> Ask:
    answerer = Answerer(bundle, "d" * 64, "recommender:v1")
    return lambda **fields: answerer.recommend([RecommendRequest.model_validate(fields)])[0]


def keys(response: RecommendResponse) -> list[str]:
    return [line.item for line in response.items]


def test_items_come_with_key_title_score_and_rank(ask: Ask) -> None:
    first, second = ask(history=["14"], k=2).items
    line = {"item": "10", "title": "milk", "score": 5.0, "rank": 0, "source": "counts", "explanation": None}
    assert first.model_dump() == line
    assert second.model_dump() == line | {"item": "11", "title": "bread", "score": 4.0, "rank": 1}


def test_what_the_user_had_before_is_a_repeat(ask: Ask) -> None:
    assert [line.source for line in ask(history=["11", "zz"], k=3).items] == ["counts", "repeats", "counts"]


def test_an_answer_says_where_it_comes_from(ask: Ask) -> None:
    assert ask(history=["14"]).lineage.model_dump() == {
        "bento": "recommender:v1",
        "run_id": "run-1",
        "snapshot": "snap-1",
        "generation": "gen-1",
        "family": "popularity",
        "bundle": "d" * 64,
    }


def test_unknown_keys_are_ignored_and_reported_once_each(ask: Ask) -> None:
    response = ask(history=["zz", "10", "zz"], exclude=["yy", "zz"], allow=["11", "xx"], k=1)
    assert response.ignored == ["zz", "yy", "xx"]
    assert keys(response) == ["11"]
    assert response.notice is None


def test_an_empty_history_is_answered_and_says_so(ask: Ask) -> None:
    assert ask(history=[], k=5).notice == NOTICES["empty-history"]
    assert ask(history=[], k=5).fallback == "empty-history"
    assert keys(ask(history=[], k=5)) == ["10", "11", "12", "13", "14"]


def test_a_fully_unknown_history_is_answered_and_says_so(ask: Ask) -> None:
    assert ask(history=["zz"], k=5).notice == NOTICES["unknown-items"]
    assert ask(history=["zz"], k=5).fallback == "unknown-items"
    assert ask(history=["zz", "10"], k=5).fallback is None


def test_a_known_user_without_events_is_an_empty_history(ask: Ask) -> None:
    assert ask(user="cid", k=5).fallback == "empty-history"


def test_an_unknown_user_gets_the_list_for_one_and_is_told(ask: Ask) -> None:
    response = ask(user="zoe", k=5)
    assert keys(response) == ["10", "11", "12", "13", "14"]
    assert (response.fallback, response.notice) == ("unknown-user", NOTICES["unknown-user"])


def test_excluded_items_are_not_returned(ask: Ask) -> None:
    assert keys(ask(history=[], exclude=["10", "12"], k=2)) == ["11", "13"]


def test_seen_items_are_returned_unless_they_are_barred(ask: Ask) -> None:
    assert keys(ask(user="ann", k=2)) == ["10", "11"]
    assert keys(ask(user="ann", k=2, exclude_seen=True)) == ["12", "13"]
    assert keys(ask(history=["12"], k=4, exclude_seen=True)) == ["10", "11", "13", "14"]


def test_only_allowed_items_are_returned_and_a_short_list_says_so(ask: Ask) -> None:
    response = ask(history=["10"], allow=["14", "12", "10"], exclude=["10"], k=3)
    assert keys(response) == ["12", "14"]
    assert response.notice == "only 2 of 3 items: no others are allowed"


def test_a_filter_leaves_the_items_that_have_one_of_the_values(ask: Ask) -> None:
    assert keys(ask(history=[], filters={"department": ["dairy", "drinks"]}, k=3)) == ["10", "12", "13"]
    assert keys(ask(history=[], filters={"department": ["dairy"], "title": ["butter"]}, k=1)) == ["12"]
    assert keys(ask(history=[], filters={"department": ["dairy"]}, exclude=["10"], k=1)) == ["12"]
    assert keys(ask(history=[], filters={"department": ["toys"]}, k=1)) == []


def test_what_is_out_of_stock_is_left_out_where_that_is_asked(ask: Ask) -> None:
    assert keys(ask(history=[], in_stock=True, k=4)) == ["10", "11", "13", "14"]  # of tea it is not known


def test_a_filter_by_a_field_that_is_not_there_is_refused(ask: Ask, bundle: Bundle) -> None:
    with pytest.raises(Unanswerable, match="one of department, in_stock, title, but got 'colour'"):
        ask(history=[], filters={"colour": ["red"]})
    bare = replace(bundle, catalogue=Catalogue(bundle.catalogue.frame.drop("in_stock"), ("title",)))
    with pytest.raises(Unanswerable, match="must have a column in_stock"):
        Answerer(bare, "").recommend([RecommendRequest(history=[], in_stock=True)])


def test_lists_of_a_field_are_searched_inside(bundle: Bundle) -> None:
    tags = pl.Series("tags", [["cold", "white"], [], None, ["hot"], ["white"]])
    tagged = replace(bundle, catalogue=Catalogue(bundle.catalogue.frame.with_columns(tags), ("title",)))
    request = RecommendRequest(history=[], filters={"tags": ["white", "hot"]}, k=3)
    assert keys(Answerer(tagged, "").recommend([request])[0]) == ["10", "13", "14"]


def test_a_diverse_list_puts_twins_apart(ask: Ask) -> None:
    # relevance 1 .75 .5 .25 0; butter points where milk does, bread and tea nowhere near, salt half-way
    assert keys(ask(history=[], k=5)) == ["10", "11", "12", "13", "14"]
    assert keys(ask(history=[], k=5, diversity=0.5)) == ["10", "11", "13", "12", "14"]
    assert keys(ask(history=[], k=2, diversity=0.5)) == ["10", "11"]


def test_an_explanation_spells_the_item_and_names_what_it_is_like(ask: Ask) -> None:
    milk, bread, butter = ask(history=["12", "11"], k=3, explain=True).items
    assert milk.explanation is not None
    assert milk.explanation.model_dump() == {
        "codes": [0, 0],
        "sharing": [3, 1],
        "because": {"item": "12", "title": "butter", "similarity": 1.0},
    }
    assert bread.explanation is not None
    assert bread.explanation.because is None  # nothing else in the history is like bread
    assert (bread.source, butter.source) == ("repeats", "repeats")


def test_nothing_is_the_reason_where_nothing_is_alike(ask: Ask) -> None:
    for history in ([], ["13"]):
        (milk,) = ask(history=history, k=1, explain=True).items
        assert milk.explanation is not None
        assert milk.explanation.because is None


def test_a_bundle_without_vectors_says_that_it_cannot(bundle: Bundle) -> None:
    answerer = Answerer(replace(bundle, items=None), "")
    for more in ({"explain": True}, {"diversity": 0.1}):
        with pytest.raises(Unanswerable, match="need a bundle with item vectors"):
            answerer.recommend([RecommendRequest.model_validate({"history": [], **more})])


def test_nothing_allowed_is_an_empty_list(ask: Ask) -> None:
    response = ask(history=[], allow=["zz"], k=3)
    assert response.items == []
    assert response.notice == f"{NOTICES['empty-history']}; only 0 of 3 items: no others are allowed"


def test_times_and_baskets_of_unknown_items_are_dropped_with_them(bundle: Bundle) -> None:
    model = Newest()
    request = RecommendRequest(
        history=["10", "zz", "12", "13"], timestamps=[5, 6, 6, 9], baskets=["a", "b", "b", "c"]
    )
    Answerer(replace(bundle, recommender=model), "").recommend([request])
    assert model.asked[0].item.tolist() == [0, 2, 3]
    assert model.asked[0].time.tolist() == [5, 6, 9]
    assert model.asked[0].basket.tolist() == [0, 1, 2]  # a, b, c


def test_a_known_user_is_asked_with_the_times_of_the_bundle(bundle: Bundle) -> None:
    model = Newest()
    Answerer(replace(bundle, recommender=model), "").recommend([RecommendRequest(user="ann")])
    assert model.asked[0].item.tolist() == [0, 1]
    assert model.asked[0].time.tolist() == [7, 9]


def test_one_model_call_answers_all_requests_of_one_length(bundle: Bundle) -> None:
    model = Newest()
    requests = [RecommendRequest(user="ann", k=k) for k in (3, 1, 3, 3)]
    answers = Answerer(replace(bundle, recommender=model), "").recommend(requests)
    assert [asked.n_users for asked in model.asked] == [1, 3]
    assert [len(answer.items) for answer in answers] == [3, 1, 3, 3]


REQUESTS = st.builds(
    RecommendRequest,
    history=st.lists(st.sampled_from(["10", "11", "12", "13", "14", "zz"]), max_size=4),
    k=st.integers(1, 6),
    exclude=st.lists(st.sampled_from(["10", "13", "zz"]), max_size=2),
    exclude_seen=st.booleans(),
    allow=st.none() | st.lists(st.sampled_from(["11", "12", "14", "yy"]), min_size=1, max_size=3),
    filters=st.sampled_from([{}, {"department": ["dairy", "bakery"]}]),
    in_stock=st.booleans(),
    diversity=st.sampled_from([0.0, 0.4]),
    explain=st.booleans(),
)


@given(st.lists(REQUESTS, min_size=1, max_size=6))
def test_a_request_gets_the_same_answer_alone_and_in_a_batch(
    bundle: Bundle, requests: list[RecommendRequest]
) -> None:
    answerer = Answerer(replace(bundle, recommender=Newest()), "")
    together = answerer.recommend(requests)
    assert together == [answerer.recommend([request])[0] for request in requests]
    for request, answer in zip(requests, together, strict=True):
        listed = set(keys(answer))
        assert not listed & set(request.exclude)
        assert request.allow is None or listed <= set(request.allow)
        assert not request.exclude_seen or not listed & set(request.history or [])
        assert not request.filters or listed <= {"10", "11", "12"}
        assert not request.in_stock or "12" not in listed
        assert [line.rank for line in answer.items] == list(range(len(answer.items)))
