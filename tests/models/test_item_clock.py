"""Item clock: what was popular around a day."""

import numpy as np
import pytest

from data.interactions import SECONDS_PER_DAY, Interactions
from models.item_clock import ItemClock

# item 0 is bought in January only, item 1 in July only, item 2 never
EVENTS = Interactions.from_histories(
    [[0, 0, 0, 1, 1, 1]], [[day * SECONDS_PER_DAY for day in (0, 1, 2, 180, 181, 182)]]
)


def clock(**settings):
    return ItemClock.count(EVENTS, 3, **({"width_days": 20.0, "looks_ahead": True} | settings))


def test_each_season_has_its_item():
    january, july = clock().popularity(np.array([1.0, 181.0]))
    assert january.argmax() == 0
    assert july.argmax() == 1
    assert january[0] == pytest.approx(july[1], rel=0.05)


def test_shares_are_positive_and_sum_to_one():
    share = clock().popularity(np.array([-50.0, 0.0, 90.5, 182.0, 9_999.0, np.inf]))
    assert (share > 0).all()
    assert share.sum(axis=1) == pytest.approx(1)
    assert np.array_equal(share[3:4].argmax(axis=1), share[5:6].argmax(axis=1))


def test_between_two_knots_the_density_is_interpolated():
    made = ItemClock(first_day=10.0, knot_days=10.0, density=np.array([[1, 0], [0, 1]], dtype=np.float32))
    assert made.popularity(np.array([12.5])) == pytest.approx(np.array([[0.8, 0.3]]) / 1.1)


def test_without_looking_ahead_the_future_changes_nothing():
    past = EVENTS.before(100 * SECONDS_PER_DAY)
    day = np.array([0.0, 2.0])  # inside the past
    whole = clock(looks_ahead=False).popularity(day)
    alone = ItemClock.count(past, 3, width_days=20.0, looks_ahead=False).popularity(day)
    assert whole == pytest.approx(alone, abs=1e-12)
    assert not np.allclose(clock(width_days=200.0).popularity(day)[0, 1], alone[0, 1])


def test_arrays_rebuild_the_clock():
    made = clock()
    again = ItemClock.from_arrays(made.to_arrays())
    day = np.array([3.0, 77.0])
    assert np.array_equal(made.popularity(day), again.popularity(day))


def test_no_events_give_every_item_the_same_share():
    empty = ItemClock.count(Interactions.from_histories([]), 4, width_days=10.0, looks_ahead=True)
    assert empty.popularity(np.array([5.0])).tolist() == [[0.25] * 4]
