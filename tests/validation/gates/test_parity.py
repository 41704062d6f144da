"""The same lists offline and served, or a line that says which differs and how."""

import pytest

from validation.gates.parity import Answer, compare_answers

EXPECTED = [Answer(["a", "b"], [2.0, 1.0]), Answer([], [])]


def test_equal_answers_pass() -> None:
    assert compare_answers(EXPECTED, list(EXPECTED)).passed


def test_another_order_fails_and_is_named() -> None:
    parity = compare_answers(EXPECTED, [Answer(["b", "a"], [2.0, 1.0]), Answer([], [])])
    assert not parity.passed
    assert parity.mismatches == ["request 0: expected items ['a', 'b'], but got ['b', 'a']"]


def test_scores_may_differ_by_the_tolerance_only() -> None:
    near = [Answer(["a", "b"], [2.000001, 1.0]), Answer([], [])]
    far = [Answer(["a", "b"], [2.1, 1.0]), Answer([], [])]
    assert compare_answers(EXPECTED, near).passed
    assert compare_answers(EXPECTED, far).mismatches == ["request 0: expected score 2.0 for a, but got 2.1"]


def test_a_score_that_is_not_a_number_fails() -> None:
    assert not compare_answers(EXPECTED, [Answer(["a", "b"], [float("nan"), 1.0]), Answer([], [])]).passed


def test_a_missing_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="got 1 for 2: replay the frozen requests again"):
        compare_answers(EXPECTED, EXPECTED[:1])


def test_nothing_to_compare_is_not_a_pass() -> None:
    with pytest.raises(ValueError, match="at least one"):
        compare_answers([], [])
