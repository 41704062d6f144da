"""Holm's adjustment."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from validation.gates.multiple import holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=20)


def test_a_worked_example():
    assert holm(np.array([0.001, 0.04, 0.02, 0.5])) == pytest.approx([0.004, 0.08, 0.06, 0.5])


def test_one_question_is_not_adjusted_and_nan_rejects_nothing():
    assert holm(np.array([0.03])).tolist() == [0.03]
    assert holm(np.array([np.nan, 0.01])).tolist() == [1.0, 0.02]
    assert holm(np.array([])).tolist() == []


@given(P_VALUES)
def test_between_the_p_value_and_bonferroni_in_the_same_order(p_values):
    raw = np.array(p_values)
    adjusted = holm(raw)
    assert (adjusted >= raw).all()
    assert (adjusted <= np.minimum(1, raw * len(raw)) + 1e-12).all()
    order = np.argsort(raw, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
