"""Fusion: means of distributions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.heads.fusion import DOUBT, POOLS, mix, multiply, softmax, with_returns


@given(st.sampled_from(sorted(POOLS)), st.floats(0.01, 0.99), st.integers(1, 6), st.integers(0, 99))
def test_a_mean_of_distributions_is_a_distribution(pooling, share, n_items, seed):
    rng = np.random.default_rng(seed)
    first, second = rng.random((2, 3, n_items)) + 0.01
    assert np.exp(POOLS[pooling]([(share, first), (1 - share, second)])).sum(axis=1) == pytest.approx(1)


@given(st.sampled_from(sorted(POOLS)), st.integers(1, 6), st.integers(0, 99))
def test_a_source_that_knows_nothing_leaves_its_weight_to_the_others(pooling, n_items, seed):
    first = np.random.default_rng(seed).random((2, n_items)) + 0.01
    alone = POOLS[pooling]([(1.0, first)])
    assert POOLS[pooling]([(0.3, first), (0.7, np.zeros((2, n_items)))]) == pytest.approx(alone)


def test_a_product_is_the_geometric_mean_of_what_is_left_after_doubt():
    first, second = np.array([[0.8, 0.2]]), np.array([[0.5, 0.5]])
    doubted = (1 - DOUBT) * first + DOUBT / 2
    by_hand = doubted**0.75 * second**0.25
    assert np.exp(multiply([(0.75, first), (0.25, second)])) == pytest.approx(by_hand / by_hand.sum())


def test_a_product_wants_all_sources_where_a_mixture_wants_one():
    parts = [(0.5, np.array([[0.7, 0.29, 0.01]])), (0.5, np.array([[0.01, 0.29, 0.7]]))]
    assert multiply(parts).argmax() == 1
    assert mix(parts).argmax() != 1


def test_a_product_bars_no_item_that_one_source_lacks():
    log_probs = multiply([(0.5, np.array([[1.0, 0.0, 0.0]])), (0.5, np.array([[0.0, 1.0, 0.0]]))])
    assert np.isfinite(log_probs).all()
    assert log_probs.argmin() == 2


def test_evidence_needs_no_scale():
    first, second = np.array([[1.0, 3.0]]), np.array([[2.0, 2.0]])
    once = mix([(0.5, first), (0.5, second)])
    assert mix([(0.5, 100 * first), (0.5, second)]) == pytest.approx(once)
    assert np.exp(once) == pytest.approx(np.array([[0.375, 0.625]]))


def test_what_nobody_thinks_possible_is_never_listed():
    assert np.isneginf(mix([(0.5, np.array([[1.0, 0.0]])), (0.5, np.array([[1.0, 0.0]]))])[0, 1])


def test_softmax_of_huge_scores():
    assert softmax(np.array([[1e4, 1e4 - np.log(3)]])) == pytest.approx(np.array([[0.75, 0.25]]))


@given(st.integers(2, 6), st.floats(0, 1), st.integers(0, 99))
def test_returns_and_new_items_are_one_distribution(n_items, back, seed):
    new = np.log(softmax(np.random.default_rng(seed).normal(size=(2, n_items))))
    row, item = np.array([1]), np.array([0])
    answered = with_returns(new, row, item, np.array([back]))
    assert np.exp(answered).sum(axis=1) == pytest.approx(1)
    assert answered[0] == pytest.approx(new[0])  # who had nothing returns to nothing
    assert np.exp(answered[1, 0]) == pytest.approx(back)
    assert np.array_equal(np.argsort(answered[1, 1:]), np.argsort(new[1, 1:]))


def test_a_list_can_be_filled_however_sure_a_return_is():
    answered = with_returns(np.log([[0.5, 0.3, 0.2]]), np.array([0]), np.array([1]), np.array([1.0]))
    assert np.isfinite(answered.astype(np.float32)).all()
    assert np.argsort(-answered[0]).tolist() == [1, 0, 2]
