import numpy as np
import pytest

from validation.drift.config import Level, Limits
from validation.drift.live import live

LIMITS = Limits(retrain=0.1, alert=0.5)


def measured(values, promised):
    return live(np.array(values, dtype=float), promised, "ndcg@10", LIMITS, seed=0)


def test_users_who_all_get_the_same_leave_no_doubt():
    found = measured([0.3] * 50, 0.4)
    assert found.value == pytest.approx(0.25)  # every resample has the mean 0.3, and 1 - 0.3 / 0.4
    assert found.level is Level.RETRAIN
    assert (found.name, found.before) == ("live ndcg@10", "0.4000 when it was promoted")
    assert found.now == "0.3000 [0.3000, 0.3000], 50 users"


def test_a_loss_that_chance_explains_is_none():
    # 15 of 50 hits: the mean .3 has a standard error of .065, so its interval reaches past .4
    assert measured([1.0] * 15 + [0.0] * 35, 0.4).value == 0


def test_the_same_loss_over_many_users_counts():
    found = measured([1.0] * 3000 + [0.0] * 7000, 0.4)
    # standard error .00458, upper end .3 + 1.96 * .00458 = .309, and 1 - .309 / .4 = .2275
    assert found.value == pytest.approx(0.2275, abs=0.002)


def test_a_gain_is_fine_and_nothing_at_all_alerts():
    assert measured([0.5] * 10, 0.4).level is Level.FINE
    assert measured([0.0] * 10, 0.4).level is Level.ALERT
