"""The simulation of the gate's errors."""

import numpy as np
import pytest

from benchmarks.gate_errors import pair, simulate


@pytest.mark.parametrize("effect", [-0.05, 0.0, 0.1])
def test_simulated_models_differ_by_the_effect(effect):
    champion, challenger = pair(np.random.default_rng(0), 1_000_000, effect)
    assert challenger.mean() / champion.mean() - 1 == pytest.approx(effect, abs=0.005)
    assert (champion == challenger).mean() > 0.7


def test_shares_add_up_and_a_large_gain_is_found():
    line = simulate(5_000, 0.3, simulations=5, resamples=200)
    assert line.promoted == 1
    assert sum(line.outcomes.values()) == pytest.approx(1)
