import numpy as np
import pytest

from data.interactions import SECONDS_PER_DAY as DAY
from data.interactions import Interactions
from models.baselines.neighbours import Transitions, TransitionsConfig
from models.baselines.popularity import Popularity, PopularityConfig
from models.baselines.repeats import Repeats, RepeatsConfig
from models.recommender import FitData


def data(events, n_items):
    return FitData(events, n_items, np.zeros((n_items, 1), np.float32), None)


def test_popularity_halves_old_events():
    # item 0 twice, ten days ago = 2 * .5; item 1 once today = 1; ties by id
    events = Interactions.from_histories([[0, 0, 1]], [[0, 0, 10 * DAY]])
    model = Popularity.fit(PopularityConfig(half_life_days=10), data(events, 3))
    assert model.counts.tolist() == pytest.approx([1, 1, 0])


def test_repeats_prefers_what_was_bought_lately():
    # item 2 three times 20 days ago (3 / 4), item 1 today (1)
    history = Interactions.from_histories([[2, 2, 2, 1]], [[0, 0, 0, 20 * DAY]])
    model = Repeats.fit(RepeatsConfig(half_life_days=10), data(history, 4))
    assert model.recommend(history, 2).items.tolist() == [[1, 2]]


def test_transitions_are_shares_of_the_item_before():
    # 0 is followed by 1 twice and by 2 once: P(1 | 0) = 2/3
    events = Interactions.from_histories([[0, 1], [0, 1], [0, 2]])
    model = Transitions.fit(TransitionsConfig(), data(events, 3))
    assert model.graph.weights[0].toarray().ravel() == pytest.approx([0, 2 / 3, 1 / 3])


def test_an_item_that_returns_in_the_next_basket_is_a_transition_too():
    events = Interactions.from_histories([[0, 0, 1]])
    model = Transitions.fit(TransitionsConfig(repeat_weight=1), data(events, 2))
    assert model.graph.weights[0].toarray().ravel() == pytest.approx([1 / 2, 1 / 2])
