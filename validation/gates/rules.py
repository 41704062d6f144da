"""Gates: reports in, verdict out; a pure function, so a promotion can be replayed and argued with.

Knows no registry and promotes nothing: the flow acts on the verdict.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf, isfinite, isnan
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.recommender import Config
from validation.evaluation.report import Report
from validation.gates.multiple import holm
from validation.gates.significance import paired_bootstraps
from validation.gates.verdict import Contest, Outcome, Role, Verdict

__all__ = ["GateConfig", "Outcome", "Verdict", "classify", "judge"]


Opponent = tuple[Role, Report]


class GateConfig(Config):
    """What a challenger must show before promotion."""

    metric: str = Field(default="ndcg@10", description="Per-user metric that decides.")
    margin: float = Field(default=0.01, ge=0, lt=1, description="Relative loss that still is no loss.")
    alpha: float = Field(default=0.05, gt=0, lt=0.5, description="Intervals cover 1 - alpha.")
    min_users: int = Field(default=200, ge=1, description="Fewer users are not enough evidence.")
    resamples: int = Field(default=10_000, ge=100, description="Bootstrap resamples.")
    seed: int = Field(default=0, ge=0, description="Seed of the resampling.")
    require_baseline_floor: bool = Field(
        default=True, description="The first model must be above the best baseline."
    )
    promote_when: list[Literal["better", "not worse"]] = Field(
        default=["better"], description="Outcomes against the champion that promote."
    )
    alert_when: list[Literal["better", "not worse", "worse", "not enough evidence"]] = Field(
        default=[], description="Outcomes that call a person, whatever else happens; a refusal has an alarm."
    )
    slice_margin: float = Field(
        default=0.05, ge=0, lt=1, description="Relative loss that the users of a slice may suffer."
    )
    min_slice_users: int = Field(default=100, ge=1, description="Smaller slices are shown, not guarded.")
    guard_slices: bool = Field(default=True, description="A harmed slice stops a promotion.")


def judge(
    challenger: Report, champion: Report | None, baselines: Sequence[Report], config: GateConfig
) -> Verdict:
    """Compare a challenger with the champion and with the baselines, on the same users.

    Against the champion, or before the first promotion against the best baseline, the outcome is

    - better: the interval of the difference lies above 0;
    - not worse: its low end is at or above -margin * the opponent's mean;
    - worse: the interval lies below 0 and reaches further down than that;
    - not enough evidence: anything else, fewer than `min_users` users, or a value that is not finite.

    With a champion, an outcome in `promote_when` promotes, and the baselines are only reported. A slice is
    harmed where the challenger loses more than `slice_margin` of the champion's mean and Holm's adjusted
    p-value of being no worse is at most `alpha`; with `guard_slices` a harmed slice refuses. Without one
    the baseline floor decides: mean above the best baseline's, and better or not worse by the rules above.
    A challenger with a value that is not finite, or too few users, is never promoted.

    Args:
        challenger: the new model.
        champion: the model in production; None before the first promotion.
        baselines: what everyone must beat; the challenger itself may be among them and is skipped.
        config: thresholds.

    Raises:
        ValueError: two reports differ in protocol or users, or one lacks the metric.
    """
    opponents: list[Opponent] = [] if champion is None else [(Role.CHAMPION, champion)]
    opponents += [(Role.BASELINE, other) for other in baselines if not _same_model(other, challenger)]
    for _, other in opponents:
        _refuse_another_question(challenger, other)
        other.values(config.metric)
    gap = _evidence_gap(challenger, config)
    contests = guarded(_contests(challenger, opponents, config), config)
    harm = [contest for contest in contests if _is_harm(contest, config)]
    deciding = [c for c in contests if c.metric == config.metric and c.slice == "all"]
    floor = max((c for c in deciding if c.role is Role.BASELINE), key=_strength, default=None)
    against = deciding[0] if champion is not None else floor
    outcome = Outcome.NOT_ENOUGH_EVIDENCE if gap or against is None else classify(against, config)
    cleared = None if floor is None else not gap and _clears(floor, config)
    passes = not gap and _promotes(champion is not None, outcome, cleared, config)
    promote = passes and not (harm and config.guard_slices)
    sentences = [gap, *(_harm_sentence(contest, config) for contest in harm)]
    sentences += _sentences(against, floor, cleared, outcome, passes, config)
    harmed = tuple(contest.slice for contest in harm)
    reasons = tuple(sentence for sentence in sentences if sentence)
    return Verdict(outcome, promote, _name(challenger), config.metric, cleared, harmed, reasons, contests)


def classify(contest: Contest, config: GateConfig) -> Outcome:
    """The outcome of one contest, by the rules of `judge`."""
    found = contest.comparison
    if found.n < config.min_users or not all(map(isfinite, (found.difference, found.low, found.high))):
        return Outcome.NOT_ENOUGH_EVIDENCE
    if found.low > 0:
        return Outcome.BETTER
    if found.low >= -config.margin * contest.opponent_mean:
        return Outcome.NOT_WORSE
    return Outcome.WORSE if found.high < 0 else Outcome.NOT_ENOUGH_EVIDENCE


def guarded(contests: Sequence[Contest], config: GateConfig) -> tuple[Contest, ...]:
    """The contests, with `p_worse` for slices of enough users against the champion."""
    watched = [
        place
        for place, contest in enumerate(contests)
        if contest.role is Role.CHAMPION
        and contest.slice != "all"
        and contest.comparison.n >= config.min_slice_users
    ]
    raw = np.array([1 - contests[place].comparison.p_worse for place in watched])
    adjusted = dict(zip(watched, holm(raw).tolist(), strict=True))
    return tuple(replace(contest, p_worse=adjusted.get(place)) for place, contest in enumerate(contests))


def _is_harm(contest: Contest, config: GateConfig) -> bool:
    if contest.p_worse is None or contest.p_worse > config.alpha:
        return False
    return contest.comparison.difference < -config.slice_margin * contest.opponent_mean


def _harm_sentence(contest: Contest, config: GateConfig) -> str:
    what = "so nothing is promoted" if config.guard_slices else "which is only reported"
    return (
        f"Users of the slice {contest.slice!r} are served worse, {what}: {_numbers(contest)}, "
        f"Holm's adjusted p {contest.p_worse:.4f}."
    )


def _clears(floor: Contest, config: GateConfig) -> bool:
    above = floor.challenger_mean > floor.opponent_mean
    return above and classify(floor, config) in (Outcome.BETTER, Outcome.NOT_WORSE)


def _promotes(has_champion: bool, outcome: Outcome, cleared: bool | None, config: GateConfig) -> bool:
    if has_champion:
        return outcome in config.promote_when
    return bool(cleared) or not config.require_baseline_floor


def _strength(contest: Contest) -> float:
    """Orders baselines; one that is not a number counts as the best, so that it blocks instead of hiding."""
    return inf if isnan(contest.opponent_mean) else contest.opponent_mean


def _evidence_gap(challenger: Report, config: GateConfig) -> str:
    """Why the challenger's numbers cannot be judged at all, or an empty string."""
    values = challenger.values(config.metric)
    if len(values) < config.min_users:
        return f"Only {len(values):,} users were measured, but {config.min_users:,} are needed."
    if n_bad := int((~np.isfinite(values)).sum()):
        return f"{config.metric} of the challenger is not finite for {n_bad:,} of {len(values):,} users."
    return ""


def _sentences(
    against: Contest | None,
    floor: Contest | None,
    cleared: bool | None,
    outcome: Outcome,
    promote: bool,
    config: GateConfig,
) -> Iterable[str]:
    """Reasons in the order in which a reader wants them."""
    if against is None:
        yield "There is neither a champion nor a baseline to compare with."
    elif against.role is Role.CHAMPION:
        yield f"{outcome.capitalize()}: {_numbers(against)}."
        if not promote:
            yield f"Only the outcome {' or '.join(config.promote_when)} replaces a champion."
    else:
        yield "There is no champion yet, so the baseline floor decides."
    if floor is not None:
        yield _floor_sentence(floor, bool(cleared), config)


def _floor_sentence(floor: Contest, cleared: bool, config: GateConfig) -> str:
    if cleared:
        return f"The baseline floor is cleared: {_numbers(floor)}."
    if floor.challenger_mean <= floor.opponent_mean:
        return f"The baseline {floor.opponent} won: {_numbers(floor)}."
    allowed = -config.margin * floor.opponent_mean
    return (
        f"The baseline floor is not cleared: {_numbers(floor)}; the low end must reach {allowed:+.4f} "
        f"over at least {config.min_users:,} users."
    )


def _numbers(contest: Contest) -> str:
    found = contest.comparison
    return (
        f"{contest.metric} {contest.challenger_mean:.4f} against {contest.opponent_mean:.4f} of "
        f"{contest.role} {contest.opponent}, difference {found.difference:+.4f} "
        f"[{found.low:+.4f}, {found.high:+.4f}], better in {found.p_better:.1%} of the resamples, "
        f"{found.n:,} users"
    )


def _contests(challenger: Report, opponents: Sequence[Opponent], config: GateConfig) -> tuple[Contest, ...]:
    """Every shared metric over all users, then the deciding metric over every slice that holds users."""
    if not opponents:
        return ()
    everyone = np.ones(len(challenger.user_keys), dtype=bool)
    pairs = [(each, name) for each in opponents for name in challenger.metrics if name in each[1].metrics]
    found = _compare(challenger, pairs, ("all", everyone), config)
    for name, inside in challenger.slices.items():
        if name != "all" and inside.any():
            found += _compare(
                challenger, [(each, config.metric) for each in opponents], (name, inside), config
            )
    return tuple(found)


def _compare(
    challenger: Report,
    pairs: Sequence[tuple[Opponent, str]],
    where: tuple[str, NDArray[np.bool_]],
    config: GateConfig,
) -> list[Contest]:
    """One contest for each opponent and metric over a slice; all share the bootstrap's draws."""
    name, inside = where
    a = np.column_stack([challenger.values(metric)[inside] for _, metric in pairs])
    b = np.column_stack([other.values(metric)[inside] for (_, other), metric in pairs])
    found = paired_bootstraps(a, b, resamples=config.resamples, seed=config.seed, alpha=config.alpha)
    means = zip(pairs, a.mean(axis=0), b.mean(axis=0), found, strict=True)
    return [
        Contest(role, _name(other), metric, name, float(x), float(y), comparison)
        for ((role, other), metric), x, y, comparison in means
    ]


def _name(report: Report) -> str:
    return report.family if report.model in ("", report.family) else f"{report.family} {report.model[:12]}"


def _same_model(one: Report, other: Report) -> bool:
    return (one.family, one.model) == (other.family, other.model)


def _refuse_another_question(challenger: Report, other: Report) -> None:
    if challenger.protocol != other.protocol:
        raise ValueError(
            f"reports of one protocol can be compared, but got {challenger.protocol} for {_name(challenger)} "
            f"and {other.protocol} for {_name(other)}: evaluate both on the same window."
        )
    if challenger.user_keys != other.user_keys:
        raise ValueError(
            f"reports of the same users can be compared, but {_name(challenger)} has "
            f"{len(challenger.user_keys)} and {_name(other)} {len(other.user_keys)} users or another order: "
            "evaluate both on the same window."
        )
