"""Churn of semantic IDs."""

import numpy as np
import pytest

from models.tokenizers.code_table import CodeTable
from validation.drift.churn import ChurnConfig, churn

KEYS = ["a", "b", "c", "d"]
OLD = CodeTable(np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]), (2, 2, 1))
TRAFFIC = np.array([1, 2, 3, 4])


def table(codes, sizes=(2, 2, 1)):
    return CodeTable(np.array(codes), sizes)


def test_the_same_codes_under_other_numbers_are_no_churn():
    renumbered = table([[1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]])
    found = churn(OLD, KEYS, renumbered, KEYS, TRAFFIC)
    assert (found.items, found.traffic, found.levels, found.shared) == (0, 0, (0, 0), 4)


def test_an_item_that_moved_counts_with_its_traffic():
    moved = table([[0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 1]], (2, 2, 2))
    found = churn(OLD, KEYS, moved, KEYS, TRAFFIC)
    assert found.items == 0.25
    assert found.traffic == pytest.approx(0.4)
    assert found.levels == (0.25, 0)


def test_only_items_that_both_know_count_wherever_they_stand():
    more = table([[1, 1, 0], [0, 0, 0], [0, 1, 0], [1, 0, 0]])
    found = churn(OLD, KEYS, more, ["d", "a", "b", "new"], TRAFFIC)
    assert (found.items, found.shared) == (0, 3)
    assert churn(OLD, KEYS, more, ["p", "q", "r", "s"], TRAFFIC).items == 0


def test_other_levels_are_another_vocabulary():
    flat = table([[0, 0], [1, 0], [2, 0], [3, 0]], (4, 1))
    assert churn(OLD, KEYS, flat, KEYS, TRAFFIC).traffic == 1


def test_limits_speak_only_where_they_are_passed():
    moved = churn(OLD, KEYS, table([[0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 1]], (2, 2, 2)), KEYS, TRAFFIC)
    assert moved.findings(ChurnConfig()) == []
    assert moved.findings(ChurnConfig(max_items=0.25, max_traffic=0.5)) == []
    (sentence,) = moved.findings(ChurnConfig(max_traffic=0.3))
    assert "40.0% of the traffic changed" in sentence
