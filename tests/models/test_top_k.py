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
