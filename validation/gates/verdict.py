"""Verdict: what a gate decided, with the numbers it decided on, for people and for machines."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import isfinite
from typing import Any

from validation.gates.significance import Comparison


class Outcome(StrEnum):
    """How a challenger stands against its opponent; the rules are in `gates.judge`."""

    BETTER = "better"
    NOT_WORSE = "not worse"
    WORSE = "worse"
    NOT_ENOUGH_EVIDENCE = "not enough evidence"


class Role(StrEnum):
    """What an opponent is."""

    CHAMPION = "champion"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Contest:
    """The challenger against one opponent, on one metric, over the users of one slice.

    Attributes:
        role: what the opponent is.
        opponent: its name.
        metric: what was measured.
        slice: whose users.
        challenger_mean: over these users.
        opponent_mean: over these users.
        comparison: of the two.
        p_worse: how likely so many resamples below 0 are if the challenger is no worse here, after Holm's
            adjustment over the slices; None where no guard looked.
    """

    role: Role
    opponent: str
    metric: str
    slice: str
    challenger_mean: float
    opponent_mean: float
    comparison: Comparison
    p_worse: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision and its evidence.

    Attributes:
        outcome: against the champion, or before the first promotion against the best baseline.
        promote: whether the flow should promote the challenger.
        challenger: family and model that was judged.
        metric: the metric that decided.
        floor_cleared: above the best baseline and not worse than it; None without baselines.
        harmed: slices whose users the challenger serves worse than the champion does.
        reasons: full sentences with their numbers, most important first.
        contests: all comparisons: every metric over all users, the deciding metric over every slice.
    """

    outcome: Outcome
    promote: bool
    challenger: str
    metric: str
    floor_cleared: bool | None
    harmed: tuple[str, ...]
    reasons: tuple[str, ...]
    contests: tuple[Contest, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a number that is not finite becomes None."""
        plain = _plain(asdict(self))
        assert isinstance(plain, dict)
        return plain

    def to_markdown(self) -> str:
        """A page for the Prefect artifact and the MLflow run."""
        overall = [c for c in self.contests if c.slice == "all"]
        deciding = [c for c in overall if c.metric == self.metric]
        slices = [c for c in self.contests if c.slice != "all"]
        head = f"## {'Promote' if self.promote else 'Do not promote'} {self.challenger}: {self.outcome}"
        parts = [head, "\n".join(f"- {reason}" for reason in self.reasons)]
        parts += _table(f"{self.metric}, all users", "opponent", deciding)
        parts += _table("Other metrics", "metric", [c for c in overall if c.metric != self.metric])
        parts += _table(f"{self.metric} by slice", "slice", slices)
        return "\n\n".join(parts) + "\n"


def _table(title: str, first: str, contests: Iterable[Contest]) -> list[str]:
    """A titled Markdown table, or nothing where there is nothing to show."""
    rows = [_row(first, contest) for contest in contests]
    if not rows:
        return []
    heads = [] if first == "opponent" else [first]
    heads += ["against", "challenger", "opponent", "difference", "interval", "relative", "users"]
    heads += ["p worse"] if first == "slice" else []
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *rows]
    return [f"### {title}", "\n".join(lines)]


def _row(first: str, contest: Contest) -> str:
    found = contest.comparison
    lead = {"metric": [contest.metric], "slice": [contest.slice]}.get(first, [])
    cells = [
        *lead,
        f"{contest.opponent} ({contest.role})",
        f"{contest.challenger_mean:.4f}",
        f"{contest.opponent_mean:.4f}",
        f"{found.difference:+.4f}",
        f"[{found.low:+.4f}, {found.high:+.4f}]",
        f"{found.relative:+.1%}" if isfinite(found.relative) else "n/a",
        f"{found.n:,}",
    ]
    if first == "slice":
        cells.append("" if contest.p_worse is None else f"{contest.p_worse:.4f}")
    return "| " + " | ".join(cells) + " |"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, StrEnum):
        return str(value)
    return None if isinstance(value, float) and not isfinite(value) else value
