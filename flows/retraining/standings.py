"""Standings: families side by side on the test window, as rows for people, plots and MLflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.steps import Artefact
from flows.tasks.evaluate import recommend_seconds, summary_of
from flows.tasks.train import fit_seconds
from flows.tasks.tune import best_of
from flows.tracking.plots import Estimate

SHOWN = ("ndcg@10", "recall@10", "hit@10")


@dataclass(frozen=True, slots=True)
class Contender:
    """One family on its way through a retrain."""

    family: str
    tuned: Artefact
    trained: Artefact
    scored: Artefact
    settings: dict[str, Any]

    @property
    def steps(self) -> tuple[Artefact, ...]:
        """What it left, in order."""
        return self.tuned, self.trained, self.scored

    @property
    def valid(self) -> float:
        """Metric of its best trial on the validation window."""
        return float(best_of(self.tuned)["metric"])


@dataclass(frozen=True, slots=True)
class Warm:
    """The champion's family once more, from the weights that serve, beside its cold start.

    Attributes:
        trained: bundle.
        scored: report.
        compared: warm minus cold.
        cold: the same family from nothing.
    """

    trained: Artefact
    scored: Artefact
    compared: Artefact
    cold: Contender

    @property
    def name(self) -> str:
        """In tables."""
        return f"{self.cold.family} warm"

    @property
    def steps(self) -> tuple[Artefact, ...]:
        """What it left, in order."""
        return self.trained, self.scored, self.compared


@dataclass(frozen=True, slots=True)
class Standing:
    """One line of the table.

    Attributes:
        name: of the family, "champion", or the family's with "warm".
        valid: validation metric; None for the champion and a warm start, which are not tuned.
        test: metric to mean with its 95 % interval, over all test users.
        fit_seconds: training time; 0.0 where it is not known.
        recommend_seconds: time of all test lists.
    """

    name: str
    valid: float | None
    test: dict[str, Estimate]
    fit_seconds: float
    recommend_seconds: float


def standings(
    contenders: Sequence[Contender], champion: Artefact | None, metric: str, warm: Warm | None = None
) -> list[Standing]:
    """Every family, the champion and a warm start beside them, best test metric first."""
    lines = [
        Standing(
            each.family,
            each.valid,
            _estimates(each.family, each.scored),
            fit_seconds(each.trained),
            recommend_seconds(each.scored),
        )
        for each in contenders
    ]
    if champion is not None:
        numbers = _estimates("champion", champion)
        lines.append(Standing("champion", None, numbers, 0.0, recommend_seconds(champion)))
    if warm is not None:
        numbers, spent = _estimates(warm.name, warm.scored), fit_seconds(warm.trained)
        lines.append(Standing(warm.name, None, numbers, spent, recommend_seconds(warm.scored)))
    return sorted(lines, key=lambda line: line.test[metric].mean, reverse=True)


def table(
    lines: Sequence[Standing], metrics: Sequence[str] = SHOWN, *, intervals: int | None = None
) -> list[dict[str, str]]:
    """Rows of text: family, validation metric, test metrics, seconds.

    Args:
        lines: what to show.
        metrics: which columns.
        intervals: how many of them, from the first, come with their interval; None for all.
    """
    n_wide = len(metrics) if intervals is None else intervals
    return [
        {
            "family": line.name,
            "valid": "" if line.valid is None else f"{line.valid:.4f}",
            **{name: _cell(line.test[name], i < n_wide) for i, name in enumerate(metrics)},
            "fit s": f"{line.fit_seconds:.1f}",
        }
        for line in lines
    ]


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows as a Markdown table.

    >>> print(markdown([{"family": "a", "ndcg@10": "0.1"}]))
    | family | ndcg@10 |
    |---|---|
    | a | 0.1 |
    """
    heads = list(rows[0])
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row.values()) + " |" for row in rows)])


def _estimates(name: str, scored: Artefact) -> dict[str, Estimate]:
    rows = [row for row in summary_of(scored) if row["slice"] == "all"]
    return {row["metric"]: Estimate(name, row["mean"], row["low"], row["high"]) for row in rows}


def _cell(found: Estimate, wide: bool) -> str:
    interval = f" [{found.low:.4f}, {found.high:.4f}]" if wide else ""
    return f"{found.mean:.4f}{interval}"
