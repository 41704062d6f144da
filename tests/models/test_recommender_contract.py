"""What every family keeps, baseline or generative."""

import numpy as np
import pytest

from data.interactions import Interactions
from models.families import FAMILIES
from models.recommender import NO_ITEM

HISTORIES = Interactions.from_histories([[3, 4, 5], [], [7], [20, 21, 22, 23], [1, 1, 1, 9]])
ONE_DAY = 86_400


@pytest.fixture(params=list(FAMILIES))
def model(request, fitted):
    return fitted(request.param)


def test_lists_are_full_distinct_and_best_first(model):
    top = model.recommend(HISTORIES, k=10)
    assert top.items.shape == top.scores.shape == (5, 10)
    assert all(len(set(row)) == 10 for row in top.items.tolist())
    assert (np.diff(top.scores, axis=1) <= 0).all()
    assert top.items.min() >= 0


def test_a_user_gets_the_same_answer_alone_and_in_a_batch(model):
    together = model.recommend(HISTORIES, k=8)
    for user in range(HISTORIES.n_users):
        alone = model.recommend(HISTORIES.select(np.array([user])), k=8)
        assert np.array_equal(alone.items[0], together.items[user])
        assert np.array_equal(alone.scores[0], together.scores[user])


def test_only_allowed_items_are_returned(model, fit_data):
    allowed = np.zeros(fit_data.n_items, dtype=bool)
    allowed[[2, 5, 11]] = True
    top = model.recommend(HISTORIES, k=4, allowed=allowed)
    assert all(set(row) == {2, 5, 11, NO_ITEM} for row in top.items.tolist())
    assert np.isneginf(top.scores[:, 3]).all()


def test_each_user_may_have_other_allowed_items(model, fit_data):
    allowed = np.zeros((5, fit_data.n_items), dtype=bool)
    allowed[np.arange(5), [4, 8, 15, 16, 23]] = True
    top = model.recommend(HISTORIES, k=1, allowed=allowed)
    assert top.items[:, 0].tolist() == [4, 8, 15, 16, 23]


def test_the_state_rebuilds_the_same_model(model):
    again = type(model).from_state(model.config, model.state())
    assert np.array_equal(again.recommend(HISTORIES, 6).items, model.recommend(HISTORIES, 6).items)
    assert np.array_equal(again.recommend(HISTORIES, 6).scores, model.recommend(HISTORIES, 6).scores)


def test_no_history_at_all_gives_no_rows(model):
    assert model.recommend(Interactions.from_histories([]), k=3).items.shape == (0, 3)


def test_a_list_of_nothing_is_refused(model):
    with pytest.raises(ValueError, match="k must be at least 1"):
        model.recommend(HISTORIES, k=0)


BASELINES = {"popularity", "repeats"}  # know no order
LEARNERS = [name for name in FAMILIES if name not in BASELINES]


@pytest.mark.parametrize("name", LEARNERS)
def test_learns_the_planted_order(name, fitted):
    asked = Interactions.from_histories(
        [[i, i + 1, i + 2] for i in range(20)], [[0, ONE_DAY, 2 * ONE_DAY]] * 20
    )
    seen = np.ones((20, 24), dtype=bool)
    np.put_along_axis(seen, asked.item.reshape(20, 3), False, axis=1)
    top = fitted(name).recommend(asked, k=1, allowed=seen)
    hits = top.items[:, 0] == np.arange(20) + 3
    assert hits.mean() >= 0.9
