"""Fusion: a mixture of distributions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.heads.fusion import mix, softmax, with_returns


@given(st.floats(0.01, 0.99), st.integers(1, 6), st.integers(0, 99))
def test_a_mixture_of_distributions_is_a_distribution(share, n_items, seed):
    rng = np.random.default_rng(seed)
    first, second = rng.random((2, 3, n_items)) + 0.01
    assert np.exp(mix([(share, first), (1 - share, second)])).sum(axis=1) == pytest.approx(1)


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
