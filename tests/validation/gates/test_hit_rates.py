"""Hit rates after answers: which events count, and what the gate's rules make of them."""

import math

import numpy as np
import polars as pl
import pytest

from validation.gates.hit_rates import Shown, hits, judge_arms, unpaired_bootstrap
from validation.gates.rules import GateConfig
from validation.gates.verdict import Outcome

DAY = 86_400
SMALL = GateConfig(min_users=10, resamples=500)


def events(*rows: tuple[str, str, int]) -> pl.DataFrame:
    schema = {"user_key": pl.String, "item_key": pl.String, "timestamp": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def hit(shown: Shown, *rows: tuple[str, str, int], k: int = 2) -> float:
    return float(hits([shown], events(*rows), k=k, days=1)[0])


ANN = Shown("ann", 100.5, ("a", "b", "c"))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("ann", "b", 101), 1.0),
        (("ann", "b", 100), 0.0),  # before the answer
        (("ann", "b", 100 + DAY), 1.0),  # half a second before the day is over
        (("ann", "b", 101 + DAY), 0.0),  # half a second after it
        (("ann", "c", 200), 0.0),  # third, two count
        (("bob", "a", 200), 0.0),  # another user
    ],
)
def test_only_a_later_event_of_the_user_on_a_shown_item_is_a_hit(
    row: tuple[str, str, int], expected: float
) -> None:
    assert hit(ANN, row) == expected


def test_several_events_are_one_hit_and_none_a_miss() -> None:
    assert hit(ANN, ("ann", "a", 101), ("ann", "a", 102), ("ann", "b", 103)) == 1.0
    assert hit(ANN) == 0.0
    assert hit(Shown("ann", 1.0, ()), ("ann", "a", 2)) == 0.0


def test_answers_keep_their_order() -> None:
    shown = [Shown(user, 0.0, ("a",)) for user in ("bob", "ann", "cid", "ann")]
    assert hits(shown, events(("ann", "a", 5), ("cid", "a", 5)), k=1, days=1).tolist() == [0, 1, 1, 1]
    assert hits([], events(), k=1, days=1).tolist() == []


def arm(name: str, values: list[float]) -> tuple[list[Shown], np.ndarray]:
    """One answer for each of the users name0, name1..."""
    return [Shown(f"{name}{place}", 0.0, ("a",)) for place in range(len(values))], np.array(values)


def test_each_user_counts_once_however_often_it_asked() -> None:
    shown = [Shown(user, 0.0, ("a",)) for user in ("ann", "ann", "ann", "bob")]
    values = np.array([1.0, 1.0, 0.0, 0.0])
    verdict = judge_arms((shown, values), (shown, values), paired=True, k=10, config=SMALL)
    assert verdict.champion.mean == pytest.approx((2 / 3 + 0) / 2)
    assert (verdict.champion.n_users, verdict.champion.n_answers) == (2, 4)


@pytest.mark.parametrize(
    ("champion", "challenger", "expected"),
    [
        ([0.0] * 90 + [1.0] * 10, [0.0] * 50 + [1.0] * 50, Outcome.BETTER),
        ([0.0] * 50 + [1.0] * 50, [0.0] * 90 + [1.0] * 10, Outcome.WORSE),
        ([0.0, 1.0] * 50, [0.0, 1.0] * 50, Outcome.NOT_ENOUGH_EVIDENCE),  # sd of the difference: .07
        ([0.0] * 9, [1.0] * 9, Outcome.NOT_ENOUGH_EVIDENCE),  # nine users, ten are needed
        ([0.0] * 50, [], Outcome.NOT_ENOUGH_EVIDENCE),
    ],
)
def test_the_gate_judges_arms_with_users_of_their_own(
    champion: list[float], challenger: list[float], expected: Outcome
) -> None:
    verdict = judge_arms(arm("a", champion), arm("b", challenger), paired=False, k=10, config=SMALL)
    assert verdict.outcome == expected


def test_the_same_lists_for_the_same_users_are_not_worse() -> None:
    """What cannot be told for other users: every resample of the difference is 0."""
    values = [0.0, 1.0] * 50
    verdict = judge_arms(arm("a", values), arm("a", values), paired=True, k=10, config=SMALL)
    assert verdict.outcome == Outcome.NOT_WORSE
    assert verdict.contest.comparison.low == verdict.contest.comparison.high == 0


def test_paired_arms_must_have_the_same_users() -> None:
    with pytest.raises(ValueError, match="need the same users in both arms, but got others"):
        judge_arms(arm("a", [1.0]), arm("b", [1.0]), paired=True, k=10, config=SMALL)


def test_an_unpaired_interval_is_as_wide_as_theory_says() -> None:
    """Means of .5 and .25 over 400 users: sd of the difference sqrt((.25 + .1875) / 400) = .0331."""
    a, b = np.array([0.0, 1.0] * 200), np.array([0.0, 0.0, 0.0, 1.0] * 100)
    found = unpaired_bootstrap(a, b, resamples=4000, seed=0, alpha=0.05)
    assert (found.difference, found.relative, found.n) == (0.25, 1.0, 400)
    half = 1.96 * math.sqrt((0.25 + 0.1875) / 400)
    assert found.low == pytest.approx(0.25 - half, abs=0.006)
    assert found.high == pytest.approx(0.25 + half, abs=0.006)
    assert (found.p_better, found.p_worse) == (1.0, 0.0)
