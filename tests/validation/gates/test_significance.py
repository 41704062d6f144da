import time

import numpy as np
import pytest
from scipy import stats

from validation.gates.significance import bootstrap_means, paired_bootstrap, paired_bootstraps


def test_the_difference_is_of_the_means():
    found = paired_bootstrap(np.array([0.4, 0.8]), np.array([0.2, 0.2]), resamples=500, seed=1)
    # means .6 and .2; users differ by .2 and .6, so a resample's mean is .2, .4 or .6.
    assert (found.difference, found.relative) == pytest.approx((0.4, 2.0))
    assert (found.low, found.high, found.n) == pytest.approx((0.2, 0.6, 2))
    assert (found.p_better, found.p_worse) == (1.0, 0.0)


def test_the_interval_agrees_with_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.random(400), rng.random(400) * 0.9
    ours = paired_bootstrap(a, b, resamples=20_000, seed=2)
    theirs = stats.bootstrap(
        (a, b),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(3),
        batch=1000,
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.001)


def test_equal_models_are_neither_better_nor_worse():
    values = np.random.default_rng(0).random(50)
    found = paired_bootstrap(values, values, resamples=100, seed=0)
    assert (found.difference, found.low, found.high, found.p_better, found.p_worse) == (0, 0, 0, 0, 0)


def test_swapping_the_models_mirrors_the_interval():
    rng = np.random.default_rng(5)
    a, b = rng.random(80), rng.random(80)
    one, other = (paired_bootstrap(*pair, resamples=300, seed=1) for pair in ((a, b), (b, a)))
    assert (one.low, one.high, one.p_better) == pytest.approx((-other.high, -other.low, other.p_worse))


def test_the_same_seed_gives_the_same_numbers_and_another_does_not():
    a, b = np.random.default_rng(5).random((2, 300))
    assert paired_bootstrap(a, b, seed=1) == paired_bootstrap(a, b, seed=1)
    assert paired_bootstrap(a, b, seed=1) != paired_bootstrap(a, b, seed=2)


def test_columns_share_their_draws():
    a, b = np.random.default_rng(5).random((2, 300, 3))
    together = paired_bootstraps(a, b, resamples=200, seed=1)
    alone = paired_bootstrap(a[:, 1], b[:, 1], resamples=200, seed=1)
    assert together[1].low == pytest.approx(alone.low)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    # 300 samples of a known mean: a 90 % interval should hold it in about 270; 3 sigma is 15.6.
    rng = np.random.default_rng(9)
    held = 0
    for seed in range(300):
        found = paired_bootstrap(rng.normal(0.1, 1, 150), np.zeros(150), resamples=300, seed=seed, alpha=0.1)
        held += found.low <= 0.1 <= found.high
    assert 250 <= held <= 288


def test_a_nan_spreads_to_every_number():
    found = paired_bootstrap(np.array([np.nan, 1.0]), np.array([0.5, 0.5]), resamples=100, seed=0)
    assert np.isnan([found.difference, found.low, found.high, found.p_better, found.p_worse]).all()


def test_different_users_are_refused():
    with pytest.raises(ValueError, match="same users"):
        paired_bootstrap(np.zeros(3), np.zeros(4), seed=0)


def test_no_users_are_refused():
    with pytest.raises(ValueError, match="needs users, but got none"):
        bootstrap_means(np.zeros((0, 1)), resamples=10, seed=0)


@pytest.mark.slow
def test_twenty_thousand_users_take_seconds():
    a, b = np.random.default_rng(0).random((2, 20_000))
    started = time.process_time()
    paired_bootstrap(a, b, seed=0)
    assert time.process_time() - started < 5
