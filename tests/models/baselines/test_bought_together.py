"""What shares baskets, counted by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data.interactions import Interactions
from models.baselines.bought_together import BoughtTogether

# ann: {0, 1}, {0, 2}; bob: {1, 0, 0}, {3}; nobody; cid: {2}
EVENTS = Interactions.from_histories(
    [[0, 1, 0, 2], [1, 0, 0, 3], [], [2]],
    times=[[1, 1, 2, 2], [1, 1, 1, 2], [], [1]],
    baskets=[[0, 0, 1, 1], [0, 0, 0, 1], [], [0]],
)


def test_a_score_is_the_share_of_baskets_and_less_for_a_popular_item():
    scores = BoughtTogether(EVENTS, 5).scores(np.array([0]))
    # 0 is in 3 baskets, 1 in 2, 2 in 2, 3 in 1; 0 meets itself 3 times, 1 twice, 2 once
    assert np.allclose(scores, [1 / 3**0.2, (2 / 3) / 2**0.2, (1 / 3) / 2**0.2, 0, 0])
    plain = BoughtTogether(EVENTS, 5, alpha=0).scores(np.array([0]))
    assert np.allclose(plain, [1, 2 / 3, 1 / 3, 0, 0])


def test_a_basket_sums_its_distinct_items():
    together = BoughtTogether(EVENTS, 5)
    both = together.scores(np.array([1, 2, 1]))
    assert np.allclose(both, together.scores(np.array([1])) + together.scores(np.array([2])))


def test_the_last_basket_of_one_user_and_the_first_of_the_next_are_two():
    alone = Interactions.from_histories([[0], [1]], baskets=[[0], [0]])
    assert BoughtTogether(alone, 2).scores(np.array([0])).tolist() == [1, 0]


def test_without_events_nothing_goes_together():
    assert BoughtTogether(Interactions.from_histories([]), 3).scores(np.array([1])).tolist() == [0, 0, 0]


@given(
    st.lists(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4), max_size=3), max_size=5),
    st.integers(0, 5),
)
def test_scores_equal_the_dense_definition(users, item):
    baskets = [set(basket) for user in users for basket in user]
    rows = np.array([[i in basket for i in range(6)] for basket in baskets], dtype=float).reshape(-1, 6)
    shared = rows.T @ rows
    size = np.maximum(np.diag(shared), 1)
    events = Interactions.from_histories(
        [[i for basket in user for i in basket] for user in users],
        baskets=[[n for n, basket in enumerate(user) for _ in basket] for user in users],
    )
    expected = shared[item] / (size[item] * size**0.2)
    assert np.allclose(BoughtTogether(events, 6).scores(np.array([item])), expected)
