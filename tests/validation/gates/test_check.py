"""The gate's proof of itself."""

from dataclasses import replace

import numpy as np
import pytest

from data.interactions import Interactions
from models.recommender import Recommendations
from tests.validation.gates.test_rules import CONFIG, N_USERS, ORDINARY, report
from validation.evaluation.damaged import Damaged
from validation.gates.check import findings

WHOLE = report(ORDINARY)
DAMAGED = report(np.zeros(N_USERS), "damaged")
OTHER = report(ORDINARY * 0.9, "popularity")


class Fixed:
    """Lists the smallest allowed items."""

    config = None

    def recommend(self, histories, k, *, allowed=None):
        items = np.where(allowed.all(0) if allowed.ndim == 2 else allowed)[0][:k]
        return Recommendations(np.tile(items, (histories.n_users, 1)), np.zeros((histories.n_users, k)))


def test_a_gate_that_works_has_no_findings():
    assert findings(WHOLE, DAMAGED, [OTHER], CONFIG) == []


def test_damage_that_does_not_show_is_found():
    found = findings(WHOLE, WHOLE, [OTHER], CONFIG)
    assert len(found) == 1
    assert "swapped items must not pass" in found[0]


def test_two_models_with_the_same_lists_are_found():
    twin = replace(WHOLE, family="popularity", model="another digest")
    assert any("different models" in each for each in findings(WHOLE, DAMAGED, [twin], CONFIG))
    assert findings(WHOLE, DAMAGED, [WHOLE], CONFIG) == []


@pytest.mark.parametrize("per_user", [False, True])
def test_a_damaged_model_keeps_to_what_is_allowed(per_user):
    histories = Interactions.from_histories([[0], [1]])
    allowed = np.array([True, False, True, True, False, True])
    mask = np.tile(allowed, (2, 1)) if per_user else allowed
    lists = Damaged(Fixed(), 6, seed=0).recommend(histories, 4, allowed=mask)
    assert sorted(lists.items[0].tolist()) == [0, 2, 3, 5]
