"""Bill: what a retraining cost, step by step and family by family, and what a better model cost more."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.retraining.standings import Contender, Standing
from flows.steps import DIGITS, Artefact
from flows.tracking.costs import Cost, kept, total


@dataclass(frozen=True, slots=True)
class Position:
    """One line of the bill: a step, or all steps of a family."""

    name: str
    cost: Cost


def bill(artefacts: Iterable[Artefact]) -> list[Position]:
    """A position for each step, in the order in which they were made, as it cost when it was made."""
    return [Position(Path(each.path).name[: -DIGITS - 1], kept(Path(each.path))) for each in artefacts]


def of_family(each: Contender) -> Cost:
    """Tuning, training and scoring of a family."""
    return total(kept(Path(step.path)) for step in each.steps)


def price_of_better(costs: dict[str, Cost], lines: Sequence[Standing], metric: str) -> str:
    """What one more percent of the metric cost: the best family against the best of the cheaper ones.

    Args:
        costs: by family.
        lines: every family, best test metric first; others, such as the champion, are not looked at.
        metric: such as ndcg@10.
    """
    known = [line for line in lines if line.name in costs]
    if not known:
        return ""
    best = known[0]
    cheaper = [line for line in known[1:] if costs[line.name].cpu_seconds < costs[best.name].cpu_seconds]
    if not cheaper:
        return f"{best.name} is best in {metric}, and none was cheaper."
    other = cheaper[0]
    more = costs[best.name].cpu_seconds - costs[other.name].cpu_seconds
    gain = 100 * (best.test[metric].mean / other.test[metric].mean - 1) if other.test[metric].mean else 0.0
    if gain <= 0:
        return f"{best.name} took {more:,.0f} CPU s more than {other.name} and is no better in {metric}."
    return (
        f"{best.name} is {gain:.1f} % better in {metric} than {other.name}, the best cheaper one, for "
        f"{more:,.1f} CPU seconds more: {more / gain:.2g} for each percent."
    )


def table(positions: Sequence[Position]) -> list[dict[str, str]]:
    """Rows of text, the sum last."""
    every = [*positions, Position("all", total(each.cost for each in positions))]
    return [
        {
            "step": each.name,
            "wall s": f"{each.cost.wall_seconds:,.1f}",
            "CPU s": f"{each.cost.cpu_seconds:,.1f}",
            "peak MiB": f"{each.cost.peak_mib:,.0f}",
        }
        for each in every
    ]
