import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite

from validation.evaluation.metrics import (
    RANKED,
    coverage_at_k,
    hit_at_k,
    hits_of,
    ndcg_at_k,
    novelty_at_k,
    recall_at_k,
    reciprocal_rank_at_k,
)

# Three queries: hits at ranks 0 and 2; none (its target is cold); a short list with its hit at rank 1.
ITEMS = np.array([[3, 8, 5], [1, 2, 3], [6, 4, -1]])
TARGET = np.array([5, 3, 9, 7, -1, 4])
OFFSETS = np.array([0, 4, 5, 6])


@composite
def questions(draw: DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random lists of width 6 over 12 items with pads, and ragged targets with cold ones."""
    items, targets = [], []
    for _ in range(draw(st.integers(1, 5))):
        order = draw(st.permutations(range(12)))
        filled = draw(st.integers(0, 6))
        items.append([*order[:filled], *[-1] * (6 - filled)])
        wanted = draw(st.lists(st.integers(0, 11), min_size=1, max_size=8, unique=True))
        targets.append(wanted + [-1] * draw(st.integers(0, 2)))
    offsets = np.cumsum([0, *map(len, targets)])
    return np.array(items), np.array([t for row in targets for t in row]), offsets


def test_recall_divides_by_the_smaller_of_k_and_the_target_size():
    # query 0: hits 3 and 5 of four targets, min(3, 4) = 3 places; query 2: its one target is found.
    assert recall_at_k(ITEMS, TARGET, OFFSETS, 3) == pytest.approx([2 / 3, 0, 1])


def test_recall_at_one_needs_one_hit_only():
    assert recall_at_k(ITEMS, TARGET, OFFSETS, 1) == pytest.approx([1, 0, 0])


def test_ndcg_is_the_discounted_gain_over_the_ideal():
    # query 0: (1 + 1/2) / (1 + 0.63093 + 0.5); query 2: 1/log2(3) / 1.
    assert ndcg_at_k(ITEMS, TARGET, OFFSETS, 3) == pytest.approx([1.5 / 2.130930, 0, 0.630930], abs=1e-6)


def test_a_cold_target_cannot_be_hit_by_an_empty_place():
    assert not hits_of(np.array([[-1, -1]]), np.array([-1]), np.array([0, 1])).any()


def test_a_cold_target_stays_in_the_size():
    found = recall_at_k(np.array([[7, 8]]), np.array([7, -1]), np.array([0, 2]), 2)
    assert found == pytest.approx([0.5])


def test_hit_rate_counts_queries_with_any_hit():
    assert hit_at_k(ITEMS, TARGET, OFFSETS, 2).tolist() == [1, 0, 1]


def test_reciprocal_rank_looks_at_the_first_hit():
    assert reciprocal_rank_at_k(ITEMS, TARGET, OFFSETS, 3).tolist() == [1, 0, 0.5]


def test_a_target_of_another_query_is_no_hit():
    hits = hits_of(np.array([[1], [2]]), np.array([2, 1]), np.array([0, 1, 2]))
    assert not hits.any()


def test_coverage_is_the_share_of_items_shown():
    # 3, 8, 1, 2, 6, 4 are shown at k = 2: six of twelve.
    assert coverage_at_k(ITEMS, n_items=12, k=2) == 0.5


def test_novelty_is_the_mean_popularity_rank():
    # counts 9, 5, 5, 1 give ranks 0, 1.5, 1.5, 3 of 3; (0 + 1.5) / 2 / 3 = 0.25; an empty list is not novel.
    lists = np.array([[0, 2], [3, -1], [-1, -1]])
    assert novelty_at_k(lists, np.array([9, 5, 5, 1]), 2) == pytest.approx([0.25, 1, 0])


def test_a_list_that_repeats_an_item_is_refused():
    with pytest.raises(ValueError, match="holds an item once, but list 0 repeats"):
        recall_at_k(np.array([[4, 4]]), np.array([4]), np.array([0, 1]), 2)


def test_a_query_without_targets_is_refused():
    with pytest.raises(ValueError, match="every query needs a target, but query 1 has none"):
        recall_at_k(np.array([[4], [5]]), np.array([4]), np.array([0, 1, 1]), 1)


def test_offsets_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="must fit"):
        recall_at_k(np.array([[4]]), np.array([4, 5]), np.array([0, 1]), 1)


@pytest.mark.parametrize("k", [0, 4])
def test_a_k_outside_of_the_list_is_refused(k: int):
    with pytest.raises(ValueError, match=r"k must lie in \[1, 3\]"):
        recall_at_k(ITEMS, TARGET, OFFSETS, k)


@given(questions(), st.integers(1, 6))
def test_every_metric_lies_between_zero_and_one(question, k: int):
    for metric in RANKED.values():
        values = metric(*question, k)
        assert values.dtype == np.float64
        assert ((values >= 0) & (values <= 1 + 1e-12)).all()


@given(questions(), st.integers(1, 6))
def test_the_metrics_agree_with_plain_loops(question, k: int):
    items, target, offsets = question
    for q, row in enumerate(items):
        wanted = target[offsets[q] : offsets[q + 1]].tolist()
        ranks = [rank for rank, item in enumerate(row[:k]) if item >= 0 and item in wanted]
        size = min(k, len(wanted))
        ideal = sum(1 / np.log2(rank + 2) for rank in range(size))
        gain = sum(1 / np.log2(rank + 2) for rank in ranks)
        assert recall_at_k(*question, k)[q] == pytest.approx(len(ranks) / size)
        assert ndcg_at_k(*question, k)[q] == pytest.approx(gain / ideal)
        assert reciprocal_rank_at_k(*question, k)[q] == pytest.approx(1 / (1 + ranks[0]) if ranks else 0)


@given(questions())
def test_a_query_scores_the_same_alone_and_in_a_batch(question):
    items, target, offsets = question
    for metric in RANKED.values():
        alone = [
            metric(items[q : q + 1], target[offsets[q] : offsets[q + 1]], offsets[q : q + 2] - offsets[q], 6)[
                0
            ]
            for q in range(len(items))
        ]
        assert metric(*question, 6).tolist() == alone
