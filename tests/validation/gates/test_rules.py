import json
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from data.split import Protocol
from validation.evaluation.report import Report
from validation.gates.rules import GateConfig, judge
from validation.gates.verdict import Outcome

PROTOCOL = Protocol(split="time", cutoff=100, until=None, target="first basket")
CONFIG = GateConfig(resamples=500)
N_USERS = 400
ORDINARY = 0.2 + 0.1 * np.random.default_rng(0).random(N_USERS)


def report(values: np.ndarray, family: str = "challenger") -> Report:
    return Report(
        protocol=PROTOCOL,
        family=family,
        model="",
        user_keys=[f"u{i}" for i in range(len(values))],
        metrics={"ndcg@10": values, "hit@10": (values > 0.25).astype(float)},
        coverage=0.5,
        coverage_k=10,
        fit_seconds=0.0,
        recommend_seconds=0.0,
        slices={"all": np.ones(len(values), dtype=bool), "short": np.arange(len(values)) < 100},
    )


CHAMPION = report(ORDINARY, "champion")
BASELINE = report(ORDINARY * 0.8, "popularity")


def noisy(shift: float, size: float = 0.02) -> Report:
    """The champion's values shifted for everybody, with noise of that standard deviation."""
    noise = np.random.default_rng(1).normal(0, size, N_USERS)
    return report(ORDINARY + shift + noise - noise.mean())


@pytest.mark.parametrize(
    ("challenger", "outcome"),
    [  # the interval's half width is about 2 * .02 / sqrt(400) = .002, the margin .01 * .25 = .0025
        (noisy(+0.010), Outcome.BETTER),
        (noisy(+0.000), Outcome.NOT_WORSE),
        (noisy(-0.001), Outcome.NOT_ENOUGH_EVIDENCE),
        (noisy(-0.010), Outcome.WORSE),
        (noisy(0, size=0.5), Outcome.NOT_ENOUGH_EVIDENCE),
    ],
)
def test_the_interval_decides_the_outcome(challenger: Report, outcome: Outcome):
    verdict = judge(challenger, CHAMPION, [BASELINE], CONFIG)
    assert verdict.outcome is outcome
    assert verdict.promote == (outcome is Outcome.BETTER)


def test_a_tiny_but_certain_loss_is_not_worse():
    assert judge(report(ORDINARY - 0.001), CHAMPION, [], CONFIG).outcome is Outcome.NOT_WORSE


def test_not_worse_promotes_where_the_config_says_so():
    config = GateConfig(resamples=500, promote_when=["better", "not worse"])
    assert judge(noisy(0), CHAMPION, [], config).promote


def test_a_first_model_above_every_baseline_is_promoted():
    verdict = judge(CHAMPION, None, [BASELINE, report(ORDINARY * 0.9, "repeats")], CONFIG)
    assert (verdict.promote, verdict.floor_cleared, verdict.outcome) == (True, True, Outcome.BETTER)
    assert "cleared: ndcg@10" in verdict.reasons[1]
    assert "baseline repeats" in verdict.reasons[1]


def test_a_first_model_below_a_baseline_is_refused_and_the_winner_named():
    verdict = judge(BASELINE, None, [report(ORDINARY * 0.5, "random"), CHAMPION], CONFIG)
    assert (verdict.promote, verdict.floor_cleared, verdict.outcome) == (False, False, Outcome.WORSE)
    assert verdict.reasons[1].startswith("The baseline champion won: ndcg@10 0.2")


def test_a_first_model_only_as_good_as_the_best_baseline_is_refused():
    verdict = judge(report(ORDINARY), None, [CHAMPION], CONFIG)
    assert not verdict.promote
    assert "The baseline champion won" in verdict.reasons[1]


def test_a_first_model_above_the_floor_by_luck_only_is_refused():
    verdict = judge(noisy(0.001, size=0.5), None, [CHAMPION], CONFIG)
    assert (verdict.promote, verdict.outcome) == (False, Outcome.NOT_ENOUGH_EVIDENCE)
    assert "not cleared" in verdict.reasons[1]
    assert "the low end must reach -0.0025" in verdict.reasons[1]


def test_a_first_model_without_baselines_is_refused():
    verdict = judge(CHAMPION, None, [], CONFIG)
    assert (verdict.promote, verdict.floor_cleared) == (False, None)
    assert verdict.reasons == ("There is neither a champion nor a baseline to compare with.",)


def test_the_floor_can_be_waived():
    config = GateConfig(resamples=500, require_baseline_floor=False)
    assert judge(BASELINE, None, [CHAMPION], config).promote


def test_with_a_champion_a_lost_floor_is_said_but_does_not_stop_an_improvement():
    verdict = judge(report(ORDINARY * 0.9), BASELINE, [CHAMPION], CONFIG)
    assert (verdict.promote, verdict.floor_cleared) == (True, False)
    assert any("The baseline champion won" in reason for reason in verdict.reasons)


def test_a_baseline_that_is_the_challenger_itself_is_skipped():
    verdict = judge(BASELINE, None, [BASELINE, report(ORDINARY * 0.5, "random")], CONFIG)
    assert verdict.promote
    assert {contest.opponent for contest in verdict.contests} == {"random"}


def test_too_few_users_are_not_enough_evidence():
    few, champion = report(ORDINARY[:199] + 1), report(ORDINARY[:199], "champion")
    verdict = judge(few, champion, [], CONFIG)
    assert (verdict.promote, verdict.outcome) == (False, Outcome.NOT_ENOUGH_EVIDENCE)
    assert verdict.reasons[0] == "Only 199 users were measured, but 200 are needed."


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("champion", [CHAMPION, None])
@pytest.mark.parametrize("floor", [True, False])
def test_a_value_that_is_not_finite_never_passes(bad: float, champion: Report | None, floor: bool):
    values = ORDINARY + 1
    values[7] = bad
    config = GateConfig(resamples=500, require_baseline_floor=floor, promote_when=["better", "not worse"])
    verdict = judge(report(values), champion, [BASELINE], config)
    assert (verdict.promote, verdict.outcome) == (False, Outcome.NOT_ENOUGH_EVIDENCE)
    assert verdict.reasons[0] == "ndcg@10 of the challenger is not finite for 1 of 400 users."


def test_a_baseline_that_is_not_a_number_blocks_the_first_run():
    broken = report(np.where(np.arange(N_USERS) == 3, np.nan, ORDINARY * 0.1), "broken")
    assert not judge(CHAMPION, None, [broken, BASELINE], CONFIG).promote


def test_another_protocol_is_refused():
    other = replace(CHAMPION, protocol=replace(PROTOCOL, seen_masked=True))
    with pytest.raises(ValueError, match="reports of one protocol can be compared"):
        judge(BASELINE, other, [], CONFIG)


def test_the_same_users_in_another_order_are_refused():
    other = replace(CHAMPION, user_keys=CHAMPION.user_keys[::-1])
    with pytest.raises(ValueError, match="reports of the same users can be compared"):
        judge(BASELINE, None, [other], CONFIG)


def test_an_opponent_without_the_metric_is_refused():
    other = replace(CHAMPION, metrics={"hit@10": ORDINARY})
    with pytest.raises(ValueError, match="metric must be one of"):
        judge(BASELINE, other, [BASELINE], CONFIG)


def test_every_metric_and_slice_is_in_the_verdict():
    verdict = judge(noisy(0.01), CHAMPION, [BASELINE], CONFIG)
    assert [(c.opponent, c.metric, c.slice, c.comparison.n) for c in verdict.contests] == [
        ("champion", "ndcg@10", "all", 400),
        ("champion", "hit@10", "all", 400),
        ("popularity", "ndcg@10", "all", 400),
        ("popularity", "hit@10", "all", 400),
        ("champion", "ndcg@10", "short", 100),
        ("popularity", "ndcg@10", "short", 100),
    ]


def test_the_markdown_says_what_and_why():
    text = judge(noisy(0.01), CHAMPION, [BASELINE], CONFIG).to_markdown()
    assert text.startswith("## Promote challenger: better\n\n- Better: ndcg@10 0.2")
    assert "| champion (champion) | 0.2" in text
    assert "| short | popularity (baseline) |" in text


def test_the_dict_is_json_even_with_nan():
    values = ORDINARY.copy()
    values[0] = np.nan
    plain = judge(report(values), CHAMPION, [], CONFIG).to_dict()
    again = json.loads(json.dumps(plain, allow_nan=False))
    assert again["contests"][0]["comparison"]["difference"] is None
    assert again["outcome"] == "not enough evidence"


def sliced(loss: float, n_slices: int = 1, width: int = 100) -> Report:
    """Better for everybody but the users of the first of some slices, who lose that much."""
    values = ORDINARY + 0.02 + np.random.default_rng(1).normal(0, 0.02, N_USERS)
    values[:width] -= 0.02 + loss
    return replace(report(values), slices=slices(n_slices, width))


def slices(n_slices: int, width: int) -> dict[str, np.ndarray]:
    place = np.arange(N_USERS)
    starts = [width * number for number in range(n_slices)]
    named = {f"slice {start}": (place >= start) & (place < start + width) for start in starts}
    return {"all": np.ones(N_USERS, dtype=bool)} | named


def test_a_harmed_slice_stops_what_is_better_for_all():
    verdict = judge(sliced(0.03), CHAMPION, [BASELINE], CONFIG)
    assert (verdict.outcome, verdict.promote, verdict.harmed) == (Outcome.BETTER, False, ("slice 0",))
    assert "Users of the slice 'slice 0' are served worse, so nothing is promoted" in verdict.reasons[0]
    unguarded = judge(sliced(0.03), CHAMPION, [BASELINE], CONFIG.model_copy(update={"guard_slices": False}))
    assert (unguarded.promote, unguarded.harmed) == (True, ("slice 0",))


def test_a_loss_within_the_margin_or_of_too_few_users_harms_no_slice():
    assert judge(sliced(0.005), CHAMPION, [BASELINE], CONFIG).promote  # margin .05 * .25 = .0125
    few = judge(sliced(0.03, width=99), CHAMPION, [BASELINE], CONFIG)
    assert (few.promote, few.harmed) == (True, ())
    assert [contest.p_worse for contest in few.contests if contest.slice == "slice 0"] == [None, None]


def test_slices_are_adjusted_for_how_many_they_are():
    alone, many = (judge(sliced(0.02, n), CHAMPION, [], CONFIG) for n in (1, 4))
    first, again = (next(c for c in v.contests if c.slice == "slice 0") for v in (alone, many))
    assert again.p_worse == pytest.approx(4 * (1 - first.comparison.p_worse))


@pytest.mark.parametrize("bad", [{"promote_when": ["worse"]}, {"margin": 1.0}, {"min_user": 3}])
def test_a_config_that_cannot_be_meant_is_refused(bad: dict):
    with pytest.raises(ValidationError):
        GateConfig(**bad)
