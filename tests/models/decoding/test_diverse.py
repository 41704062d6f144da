"""Which of a pool are listed, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decoding.diverse import diverse

SCORES = np.array([4.0, 3.0, 2.0, 0.0], dtype=np.float32)  # relevance 1, .75, .5, 0
TWINS = np.eye(4, dtype=np.float32)
TWINS[0, 1] = TWINS[1, 0] = 1.0  # 0 and 1 say the same


def test_without_diversity_the_order_stays():
    assert diverse(SCORES, TWINS, 3, diversity=0.0).tolist() == [0, 1, 2]


def test_a_twin_of_what_is_listed_comes_later():
    # after 0: 1 is worth .5 * .75 - .5 * 1 = -.125, 2 is worth .25, 3 is worth 0
    assert diverse(SCORES, TWINS, 4, diversity=0.5).tolist() == [0, 2, 3, 1]


def test_the_best_item_is_first_whatever_the_diversity():
    assert diverse(SCORES, TWINS, 2, diversity=1.0).tolist()[0] == 0


def test_a_pool_of_equal_scores_or_of_nothing_is_no_trouble():
    assert diverse(np.ones(3, dtype=np.float32), np.eye(3, dtype=np.float32), 5, diversity=0.3).tolist() == [
        0,
        1,
        2,
    ]
    assert diverse(SCORES[:0], TWINS[:0, :0], 3, diversity=0.3).tolist() == []


@given(st.integers(0, 8), st.integers(1, 10), st.floats(0, 1))
def test_each_item_is_listed_once(n, k, diversity):
    rng = np.random.default_rng(n)
    scores = -np.sort(-rng.normal(size=n)).astype(np.float32)
    vectors = rng.normal(size=(n, 3))
    chosen = diverse(scores, (vectors @ vectors.T).astype(np.float32), k, diversity=diversity)
    assert len(chosen) == len(set(chosen.tolist())) == min(n, k)


@pytest.mark.parametrize("diversity", [0.2, 0.8])
def test_more_alike_never_comes_earlier(diversity):
    less = diverse(SCORES, np.eye(4, dtype=np.float32), 4, diversity=diversity).tolist()
    more = diverse(SCORES, TWINS, 4, diversity=diversity).tolist()
    assert more.index(1) >= less.index(1)
