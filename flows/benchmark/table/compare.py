"""Compare: the recipe against the best other family on the same users, each user's mean over the seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

from flows.benchmark.table.ranks import COMPARED, over_seeds
from validation.gates.significance import paired_bootstraps

JUDGED = "ndcg@10"
Json = Mapping[str, Any]


def opponents(rows: Sequence[Json], recipe: str) -> tuple[Json, Json] | None:
    """The recipe's row and the other family's with the best test metric, which is hard on the recipe."""
    ours = next((row for row in rows if row["name"] == recipe), None)
    others = [row for row in rows if row is not ours and row["ablation_of"] is None]
    if ours is None or not others:
        return None
    return ours, max(others, key=lambda row: float(row["test"]["masked"][JUDGED]["mean"]))


def significance(ours: Json, theirs: Json) -> dict[str, Any] | None:
    """A paired bootstrap for each way and metric; None where the ranks of the users are not there."""
    if not (ours.get("ranks") and theirs.get("ranks")):
        return None
    found = {way: _compared(tuple(ours["ranks"][way]), tuple(theirs["ranks"][way])) for way in ours["ranks"]}
    return {"recipe": ours["name"], "baseline": theirs["name"], **found}


@cache
def _compared(ours: tuple[str, ...], theirs: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Metric to comparison; the table is written after each contender, and this takes seconds."""
    comparisons = paired_bootstraps(over_seeds(ours), over_seeds(theirs), seed=0)
    return {metric: asdict(each) for metric, each in zip(COMPARED, comparisons, strict=True)}
