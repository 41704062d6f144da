import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decoding.slots import top_slots
from models.recommender import NO_ITEM, top_k


def case(seed, n_queries=3, n_items=40, n_slots=3, size=4):
    """Log-probabilities that are multiples of 1/8, so that sums are exact and items tie."""
    rng = np.random.default_rng(seed)
    log_probs = -rng.integers(0, 16, (n_queries, n_slots, size)) / 8
    return log_probs, rng.integers(0, size, (n_items, n_slots)).astype(np.uint8)


def every_score(log_probs, codes):
    scores = np.stack([log_probs[:, slot, codes[:, slot]] for slot in range(codes.shape[1])])
    return scores.sum(axis=0).astype(np.float32)


@given(
    st.integers(0, 10_000), st.integers(1, 50), st.integers(5, 50), st.sampled_from(["all", "one", "each"])
)
def test_equals_scoring_every_item_at_once(seed, k, block, kind):
    log_probs, codes = case(seed)
    mask = np.random.default_rng(seed + 1).random((3, 40)) < 0.4
    allowed = {"all": None, "one": mask[0], "each": mask}[kind]
    found = top_slots(log_probs, codes, k, allowed, block=block)
    exact = top_k(every_score(log_probs, codes), k, allowed)
    assert np.array_equal(found.items, exact.items)
    assert np.array_equal(found.scores, exact.scores)


def test_a_catalogue_that_gets_better_and_better_is_still_exact():
    # one slot, item i has code i: every block beats all before it
    log_probs = np.arange(100.0)[None, None] - 100
    found = top_slots(log_probs, np.arange(100)[:, None], 3, block=7)
    assert found.items.tolist() == [[99, 98, 97]]
    assert found.scores.tolist() == [[-1, -2, -3]]


def test_items_with_equal_codes_are_ordered_by_id():
    log_probs = np.log([[[0.2, 0.8], [0.5, 0.5]]])
    codes = np.array([[0, 1], [1, 0], [0, 1], [1, 0]])
    assert top_slots(log_probs, codes, 3, block=1).items.tolist() == [[1, 3, 0]]


def test_a_query_gets_the_same_bits_alone_and_among_others():
    rng = np.random.default_rng(0)
    log_probs = np.log(rng.dirichlet(np.ones(64), (9, 8)))
    codes = rng.integers(0, 64, (500, 8))
    together = top_slots(log_probs, codes, 20)
    for query in range(9):
        alone = top_slots(log_probs[query : query + 1], codes, 20)
        assert np.array_equal(alone.items[0], together.items[query])
        assert np.array_equal(alone.scores[0], together.scores[query])


def test_nothing_allowed_gives_no_item():
    log_probs, codes = case(0)
    assert (top_slots(log_probs, codes, 2, np.zeros(40, dtype=bool)).items == NO_ITEM).all()


def test_codes_of_another_length_are_refused():
    log_probs, codes = case(0)
    with pytest.raises(ValueError, match="one column per slot, but got 2 columns for 3 slots"):
        top_slots(log_probs, codes[:, :2], 2)


def test_an_empty_list_is_refused():
    with pytest.raises(ValueError, match="k must be at least 1"):
        top_slots(*case(0), 0)
