"""Hit rates: did users act on the lists that two models gave them? Judged by the rules of the gate.

Knows lists, events and users. Does not know where answers are kept. Dims: A answers, Q users.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from data.interactions import SECONDS_PER_DAY
from validation.gates.rules import GateConfig, classify
from validation.gates.significance import (
    Comparison,
    Floats64,
    bootstrap_means,
    paired_bootstrap,
    percentile_interval,
)
from validation.gates.verdict import Contest, Outcome, Role


@dataclass(frozen=True, slots=True)
class Shown:
    """A list and whom it was for.

    Attributes:
        user_key: the user.
        when: Unix seconds UTC of the answer.
        items: item keys, best first.
    """

    user_key: str
    when: float
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HitRate:
    """Mean over users of the share of their answers that hit, with a percentile bootstrap interval.

    Attributes:
        mean: NaN where there are no users.
        low: lower end.
        high: upper end.
        n_users: Q.
        n_answers: A.
    """

    mean: float
    low: float
    high: float
    n_users: int
    n_answers: int


@dataclass(frozen=True, slots=True)
class HitVerdict:
    """How the challenger stands, and the numbers.

    Attributes:
        outcome: by the rules of `gates.judge`.
        champion: hit rate of its answers.
        challenger: hit rate of its answers.
        contest: the comparison behind the outcome.
    """

    outcome: Outcome
    champion: HitRate
    challenger: HitRate
    contest: Contest


def hits(shown: Sequence[Shown], events: pl.DataFrame, *, k: int, days: float) -> Floats64:
    """Whether each answer was followed by an event of its user on one of its first k items.

    Counted are events later than the answer, up to `days` days later. A user who did not come back is a miss.

    Args:
        shown: the answers.
        events: `user_key`, `item_key` and `timestamp` (Unix seconds UTC).
        k: first items of a list that count.
        days: how long after an answer an event counts.

    Returns:
        float64 [A], 1 for a hit, else 0.
    """
    found = np.zeros(len(shown))
    rows = pl.DataFrame(
        {
            "answer": np.arange(len(shown)),
            "user_key": pl.Series([each.user_key for each in shown], dtype=pl.String),
            "when": pl.Series([each.when for each in shown], dtype=pl.Float64),
            "item_key": pl.Series([list(each.items[:k]) for each in shown], dtype=pl.List(pl.String)),
        }
    )
    pairs = rows.explode("item_key").join(events, on=["user_key", "item_key"])
    after = pl.col("timestamp") - pl.col("when")
    hit = pairs.filter((after > 0) & (after <= days * SECONDS_PER_DAY))["answer"].unique()
    found[hit.to_numpy()] = 1.0
    return found


def judge_arms(
    champion: tuple[Sequence[Shown], Floats64],
    challenger: tuple[Sequence[Shown], Floats64],
    *,
    paired: bool,
    k: int,
    config: GateConfig,
) -> HitVerdict:
    """Compare two arms by the mean over their users of the share of answers that hit.

    Args:
        champion: its answers and what `hits` said of them.
        challenger: likewise.
        paired: both arms have lists for the same answers (a shadow); else their users differ (a canary).
        k: named in the metric.
        config: margin, alpha, least number of users (of the smaller arm), resamples and seed.

    Raises:
        ValueError: paired answers of different users.
    """
    ours, theirs = _by_user(*champion), _by_user(*challenger)
    if paired and ours.keys() != theirs.keys():
        raise ValueError("paired answers need the same users in both arms, but got others: pair them first.")
    a, b = (np.array([means[user] for user in sorted(means)]) for means in (theirs, ours))
    found = _compare(a, b, paired=paired, config=config)
    rates = [_rate(b, len(champion[0]), config), _rate(a, len(challenger[0]), config)]
    means = (rates[1].mean, rates[0].mean)
    contest = Contest(Role.CHAMPION, "in service", f"hit rate@{k}", "all", *means, found)
    return HitVerdict(classify(contest, config), rates[0], rates[1], contest)


def unpaired_bootstrap(a: Floats64, b: Floats64, *, resamples: int, seed: int, alpha: float) -> Comparison:
    """Mean of a minus mean of b over different users, float64 [Q] each; n is the smaller number of users.

    Each group is resampled by itself, with seeds of their own, as nothing is shared between them.

    Raises:
        ValueError: a group without users.
    """
    means = [
        bootstrap_means(values[:, None], resamples=resamples, seed=seed + place)[:, 0]
        for place, values in enumerate((a, b))
    ]
    drawn = means[0] - means[1]
    low, high = percentile_interval(drawn[:, None], alpha)
    difference, base = float(a.mean() - b.mean()), float(b.mean())
    relative = difference / base if base else float(np.inf if difference > 0 else np.nan)
    better, worse = float((drawn > 0).mean()), float((drawn < 0).mean())
    return Comparison(difference, relative, float(low[0]), float(high[0]), better, worse, min(len(a), len(b)))


def _compare(a: Floats64, b: Floats64, *, paired: bool, config: GateConfig) -> Comparison:
    if not len(a) or not len(b):
        return Comparison(np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, 0)
    compare = paired_bootstrap if paired else unpaired_bootstrap
    return compare(a, b, resamples=config.resamples, seed=config.seed, alpha=config.alpha)


def _rate(values: Floats64, n_answers: int, config: GateConfig) -> HitRate:
    if not len(values):
        return HitRate(np.nan, np.nan, np.nan, 0, n_answers)
    drawn = bootstrap_means(values[:, None], resamples=config.resamples, seed=config.seed)
    low, high = percentile_interval(drawn, config.alpha)
    return HitRate(float(values.mean()), float(low[0]), float(high[0]), len(values), n_answers)


def _by_user(shown: Sequence[Shown], hit: Floats64) -> dict[str, float]:
    """Each user's share of answers that hit."""
    found: dict[str, list[float]] = {}
    for each, value in zip(shown, hit.tolist(), strict=True):
        found.setdefault(each.user_key, []).append(value)
    return {user: sum(values) / len(values) for user, values in found.items()}
