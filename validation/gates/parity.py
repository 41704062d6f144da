"""Parity: whether a served model gives the lists that it gave offline; knows neither server nor model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """One list, best first, as the caller sees it.

    Attributes:
        items: item keys.
        scores: of the items, parallel.
    """

    items: list[str]
    scores: list[float]


@dataclass(frozen=True, slots=True)
class Parity:
    """The verdict on a replay.

    Attributes:
        passed: whether every list is the expected one.
        mismatches: one line for each list that is not: which, what was expected, what came.
    """

    passed: bool
    mismatches: list[str]


def compare_answers(
    expected: Sequence[Answer], served: Sequence[Answer], *, tolerance: float = 1e-5
) -> Parity:
    """Whether `served` has the items of `expected` in their order, with the same scores.

    Args:
        expected: offline answers to the frozen requests.
        served: answers to the same requests, in the same order.
        tolerance: relative and absolute difference that scores may have; items must be equal.

    Raises:
        ValueError: nothing to compare, or not one served answer for each expected one.
    """
    if not expected or len(expected) != len(served):
        raise ValueError(
            f"parity needs one served answer for each of the expected ones, at least one, but got "
            f"{len(served)} for {len(expected)}: replay the frozen requests again."
        )
    pairs = enumerate(zip(expected, served, strict=True))
    found = [_mismatch(number, here, there, tolerance) for number, (here, there) in pairs]
    mismatches = [line for line in found if line]
    return Parity(not mismatches, mismatches)


def _mismatch(number: int, expected: Answer, served: Answer, tolerance: float) -> str:
    if expected.items != served.items:
        return f"request {number}: expected items {expected.items}, but got {served.items}"
    for item, here, there in zip(expected.items, expected.scores, served.scores, strict=True):
        if not math.isclose(here, there, rel_tol=tolerance, abs_tol=tolerance):
            return f"request {number}: expected score {here!r} for {item}, but got {there!r}"
    return ""
