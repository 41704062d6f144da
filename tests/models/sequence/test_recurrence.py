import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.interactions import SECONDS_PER_DAY as DAY
from data.interactions import Interactions
from models.sequence.recurrence import FEATURES, Recurrence


def feature(candidates, name):
    return candidates.features[:, FEATURES.index(name)]


def test_counts_decay_and_gaps_by_hand():
    # item 5 on days 0 and 7, item 2 on day 7; asked after day 7
    events = Interactions.from_histories([[5, 5, 2]], [[0, 7 * DAY, 7 * DAY]], [[0, 1, 1]])
    asked = Recurrence(events).candidates(np.array([0]), np.array([3]))
    assert asked.item.tolist() == [5, 2]
    assert np.exp(feature(asked, "log_count")).tolist() == pytest.approx([2, 1])
    assert np.exp(feature(asked, "log_decayed_count_7d")) == pytest.approx([1.5, 1.0], rel=2e-3)
    assert np.expm1(feature(asked, "log_mean_gap_days")) == pytest.approx([7, 0], rel=1e-5)
    assert feature(asked, "came_back").tolist() == [1, 0]


def test_a_query_sees_nothing_at_or_after_its_end():
    events = Interactions.from_histories([[1, 2, 1, 3]])
    asked = Recurrence(events).candidates(np.array([0, 0]), np.array([2, 0]))
    assert asked.query.tolist() == [0, 0]
    assert asked.item.tolist() == [1, 2]
    assert feature(asked, "log_count").tolist() == [0, 0]


@given(st.lists(st.lists(st.integers(0, 4), max_size=12), min_size=1, max_size=5), st.data())
def test_a_prefix_of_a_history_is_answered_like_that_history_alone(rows, data):
    events = Interactions.from_histories(rows)
    user = data.draw(st.integers(0, len(rows) - 1))
    cut = data.draw(st.integers(0, len(rows[user])))
    end = events.offsets[user] + cut
    within = Recurrence(events).candidates(np.array([user]), np.array([end]))
    alone = Interactions.from_histories([rows[user][:cut]])
    direct = Recurrence(alone).candidates(np.array([0]), np.array([cut]))
    assert sorted(within.item) == sorted(set(rows[user][:cut]))
    assert np.array_equal(within.item, direct.item)
    assert np.allclose(within.features, direct.features, atol=1e-6)
