import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.recommender import NO_ITEM, top_k


def test_ties_go_to_the_smaller_id():
    scores = np.array([[1.0, 3.0, 3.0, 2.0, 3.0]], dtype=np.float32)
    assert top_k(scores, 2, None).items.tolist() == [[1, 2]]
    assert top_k(scores, 4, None).items.tolist() == [[1, 2, 4, 3]]


def test_short_rows_are_filled():
    top = top_k(np.array([[0.5, np.nan, -np.inf]], dtype=np.float32), 4, None)
    assert top.items.tolist() == [[0, NO_ITEM, NO_ITEM, NO_ITEM]]
    assert top.scores[0, 0] == pytest.approx(0.5)


@given(
    arrays(np.float32, (3, 9), elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0])),
    st.integers(min_value=1, max_value=9),
)
def test_equals_a_stable_sort(scores, k):
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    assert np.array_equal(top_k(scores, k, None).items, expected)


@given(
    arrays(np.float32, (2, 700), elements=st.sampled_from([-np.inf, np.nan, -3.0, 0.0, 0.5, np.inf])),
    st.integers(min_value=1, max_value=20),
)
def test_segments_hide_no_item(scores, k):
    known = np.where(np.isnan(scores), -np.inf, scores)
    expected = np.argsort(-known, axis=1, kind="stable")[:, :k]
    expected = np.where(np.isneginf(np.take_along_axis(known, expected, axis=1)), NO_ITEM, expected)
    top = top_k(scores, k, None)
    assert np.array_equal(top.items, expected)
    assert np.isfinite(top.scores[top.items != NO_ITEM]).all()
