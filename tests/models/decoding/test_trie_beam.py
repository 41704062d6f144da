import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decoding.trie_beam import looked_up, trie_beam
from models.recommender import NO_ITEM, top_k
from models.tokenizers.code_table import build_trie

CODES = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [2, 0]])
TRIE = build_trie(CODES)


def prefix_scores(seed, trie=TRIE, n=3):
    """Log-probabilities that add up along the trie, as every spelling head gives."""
    rng = np.random.default_rng(seed)
    leaves = rng.dirichlet(np.ones(len(trie.leaf_of)), n)
    mass = np.zeros((n, len(trie)))
    for item, path in enumerate(trie.paths()):
        mass[:, path] += leaves[:, [item]]
    return np.log(mass[:, 1:])


def beamed(scores, *rest, beam):
    return trie_beam(looked_up(scores), len(scores), *rest, beam=beam)


def every_item(scores, k, allowed):
    """The best allowed leaves, all of them compared."""
    return top_k(scores[:, TRIE.leaf_of - 1], k, allowed)


def test_a_narrow_beam_follows_the_best_prefix():
    # prefix 0 has .6 = .3 + .3, item 4 alone .4: width 1 takes prefix 0 and misses the best item
    mass = np.array([[0.6, 0.0, 0.4, 0.3, 0.3, 0.0, 0.0, 0.4]])
    with np.errstate(divide="ignore"):
        scores = np.log(mass)
    assert beamed(scores, TRIE, 1, None, beam=1).items.tolist() == [[0]]
    assert beamed(scores, TRIE, 1, None, beam=2).items.tolist() == [[4]]
    assert every_item(scores, 1, None).items.tolist() == [[4]]


@given(st.integers(0, 10_000), st.integers(1, 5), st.sets(st.integers(0, 4), min_size=1))
def test_full_width_equals_exact_and_only_allowed_items_come_back(seed, k, open_items):
    allowed = np.isin(np.arange(5), list(open_items))
    scores = prefix_scores(seed)
    beam, exact = beamed(scores, TRIE, k, allowed, beam=5), every_item(scores, k, allowed)
    assert np.array_equal(beam.items, exact.items)
    assert np.array_equal(beam.scores, exact.scores)
    assert set(beam.items.ravel()) <= open_items | {NO_ITEM}


def test_allowed_may_differ_per_query():
    allowed = np.eye(3, 5, k=1, dtype=bool)
    assert beamed(prefix_scores(0), TRIE, 1, allowed, beam=1).items.tolist() == [[1], [2], [3]]


def test_a_beam_narrower_than_the_list_is_refused():
    with pytest.raises(ValueError, match="at least k wide"):
        beamed(prefix_scores(0), TRIE, 3, None, beam=2)


def test_a_query_is_answered_alike_alone_and_among_others():
    scores = prefix_scores(4, n=6)
    together = beamed(scores, TRIE, 3, None, beam=3)
    alone = [beamed(scores[[query]], TRIE, 3, None, beam=3) for query in range(6)]
    assert together.items.tolist() == [answer.items[0].tolist() for answer in alone]


def test_equal_scores_go_to_the_smaller_item_although_its_leaf_comes_later():
    trie = build_trie(np.array([[1, 0], [0, 0]]))  # item 1 is the first leaf
    scores = np.log(np.full((1, 4), 0.5))
    assert beamed(scores, trie, 2, None, beam=2).items.tolist() == [[0, 1]]


def test_no_query_gives_no_list_and_a_query_without_items_an_empty_one():
    assert beamed(prefix_scores(0)[:0], TRIE, 1, None, beam=1).items.shape == (0, 1)
    nothing = beamed(prefix_scores(0, n=2), TRIE, 2, np.zeros(5, dtype=bool), beam=2)
    assert nothing.items.tolist() == [[NO_ITEM] * 2] * 2
