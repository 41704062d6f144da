"""Lists without the model. Milk and butter are alike, bread is not; of tea nothing is known."""

from dataclasses import replace

import pytest

from data.interactions import Interactions
from models.bundle import Bundle
from serving.answers.answerer import Answerer
from serving.answers.query import NOTICES, Unanswerable
from serving.answers.without_model import WithoutModel
from serving.door.schemas import CompleteRequest, RecommendRequest, RecommendResponse, SimilarRequest

# baskets: {milk, bread}, {milk, salt}, {bread, salt}; the last one is long ago
BASKETS = Interactions.from_histories(
    [[0, 1, 0, 4], [1, 4]],
    times=[[8_640_000] * 4, [0, 0]],
    baskets=[[0, 0, 1, 1], [0, 0]],
)


@pytest.fixture
def answerer(bundle: Bundle) -> Answerer:
    return Answerer(replace(bundle, histories=BASKETS, user_keys=["ann", "bob"]), "")


def listed(response: RecommendResponse) -> list[tuple[str, str]]:
    return [(line.title, line.source) for line in response.items]


def test_similar_is_by_content_and_without_the_item(answerer: Answerer) -> None:
    response = WithoutModel(answerer).similar(SimilarRequest(item="10", k=3))
    assert listed(response) == [("butter", "content"), ("salt", "content")]  # bread is at a right angle
    assert [line.rank for line in response.items] == [0, 1]
    assert response.items[0].score == pytest.approx(1)
    assert response.items[1].score == pytest.approx(0.5**0.5)
    assert response.notice == "only 2 of 3 items: no others are allowed"


def test_similar_keeps_the_rules(answerer: Answerer) -> None:
    similar = WithoutModel(answerer).similar
    assert listed(similar(SimilarRequest(item="10", in_stock=True, k=1))) == [("salt", "content")]
    assert listed(similar(SimilarRequest(item="10", exclude=["12", "zz"], k=1))) == [("salt", "content")]
    assert similar(SimilarRequest(item="10", exclude=["12", "zz"], k=1)).ignored == ["zz"]


def test_similar_to_nothing_known_is_refused(answerer: Answerer) -> None:
    with pytest.raises(Unanswerable, match="the catalogue has no 'zz'"):
        WithoutModel(answerer).similar(SimilarRequest(item="zz"))
    with pytest.raises(Unanswerable, match="nothing is known of the content of '13'"):
        WithoutModel(answerer).similar(SimilarRequest(item="13"))


def test_a_basket_is_completed_by_what_shared_one_then_by_content(answerer: Answerer) -> None:
    response = WithoutModel(answerer).complete(CompleteRequest(basket=["10", "zz"], k=3))
    # of milk's two baskets one has bread, one has salt; both are in two baskets: a tie, the smaller id first
    assert listed(response) == [("bread", "together"), ("salt", "together"), ("butter", "content")]
    assert [line.score for line in response.items[:2]] == pytest.approx([0.5 / 2**0.2] * 2)
    assert (response.ignored, response.fallback) == (["zz"], None)


def test_a_basket_of_nothing_bought_says_so(answerer: Answerer) -> None:
    response = WithoutModel(answerer).complete(CompleteRequest(basket=["12"], k=2))
    assert listed(response) == [("milk", "content"), ("salt", "content")]
    assert (response.fallback, response.notice) == ("no-basket", NOTICES["no-basket"])
    unknown = WithoutModel(answerer).complete(CompleteRequest(basket=["zz"], k=2))
    assert [line.source for line in unknown.items] == ["trending", "trending"]


def test_a_late_model_is_answered_for_by_content(answerer: Answerer) -> None:
    query = answerer.translate(RecommendRequest(history=["12"], exclude=["14"], k=3))
    response = WithoutModel(answerer).instead_of(query)
    assert listed(response) == [("milk", "content"), ("butter", "repeats"), ("bread", "trending")]
    assert (response.fallback, response.notice) == ("time-out", NOTICES["time-out"])
    assert [line.rank for line in response.items] == [0, 1, 2]


def test_a_late_model_and_nothing_known_is_what_all_buy_lately(answerer: Answerer) -> None:
    query = answerer.translate(RecommendRequest(history=[], k=3))
    response = WithoutModel(answerer).instead_of(query)
    # milk 2; bread and salt 1 + 2^(-100/30)
    assert listed(response) == [("milk", "trending"), ("bread", "trending"), ("salt", "trending")]
    assert response.items[1].score == pytest.approx(1 + 2 ** (-100 / 30), rel=1e-4)
