import numpy as np
import pytest

from data.synthetic import planted_tables


def steps(tables):
    """Item numbers int64 [n_users, length], in the order of the rows."""
    items = tables.interactions["item_key"].str.strip_prefix("item-").cast(int).to_numpy()
    return items.reshape(tables.interactions["user_key"].n_unique(), -1)


def test_without_noise_every_step_follows_the_cycle():
    items = steps(planted_tables(30, 7, 20))
    assert np.array_equal(items[:, 1:], (items[:, :-1] + 1) % 7)


def test_noise_is_the_share_of_random_steps():
    items = steps(planted_tables(400, 50, 50, noise=0.4, seed=3))
    followed = (items[:, 1:] == (items[:, :-1] + 1) % 50).mean()
    assert followed == pytest.approx(0.6 + 0.4 / 50, abs=0.02)


def test_repeats_are_the_share_of_steps_that_stay():
    items = steps(planted_tables(400, 50, 50, repeats=0.3, seed=3))
    assert (items[:, 1:] == items[:, :-1]).mean() == pytest.approx(0.3, abs=0.02)


def test_events_are_an_hour_apart_in_baskets_of_one():
    events = planted_tables(3, 4, 5).interactions
    assert set(np.diff(events["timestamp"].to_numpy().reshape(3, 5)).ravel()) == {3_600}
    assert events["basket_key"].n_unique() == 15


def test_fields_tell_the_place_on_the_cycle_and_keys_keep_its_order():
    tables = planted_tables(1, 12, 3)
    keys = tables.items["item_key"].to_list()
    assert keys == sorted(keys)
    assert tables.items["category"].to_list() == [f"category {i // 5}" for i in range(12)]
    assert set(tables.text_fields) <= set(tables.items.columns)


def test_equal_seeds_give_equal_tables():
    first, again, other = (planted_tables(5, 9, 6, 0.5, seed) for seed in (1, 1, 2))
    assert first.interactions.equals(again.interactions)
    assert not first.interactions.equals(other.interactions)
