"""Judge: the challenger against champion and baselines; a verdict with its numbers."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flows.files import read_json, write_json
from flows.retraining.context import Context
from flows.steps import Artefact, step
from flows.tasks.evaluate import report_of
from validation.gates import rules
from validation.gates.rules import GateConfig


@dataclass(frozen=True, slots=True)
class Judged:
    """What was decided, small enough to hand around."""

    outcome: str
    promote: bool
    reasons: tuple[str, ...]


@step("judge", layers=("validation",))
def judge(
    run: Context,
    draft: Path,
    *,
    challenger: Artefact,
    champion: Artefact | None,
    baselines: list[Artefact],
    checks: list[Artefact],
    gate: GateConfig,
) -> None:
    """Leaves verdict.json and verdict.md; a check with findings (findings.json) lets nothing be promoted."""
    others = [report_of(baseline) for baseline in baselines]
    reigning = None if champion is None else report_of(champion)
    verdict = rules.judge(report_of(challenger), reigning, others, gate)
    if found := [sentence for check in checks for sentence in read_json(check.file("findings.json"))]:
        verdict = replace(verdict, promote=False, reasons=(*found, *verdict.reasons))
    write_json(draft / "verdict.json", verdict.to_dict())
    (draft / "verdict.md").write_text(verdict.to_markdown(), encoding="utf-8")


def verdict_of(judged: Artefact) -> Judged:
    """The decision alone."""
    found: dict[str, Any] = read_json(judged.file("verdict.json"))
    return Judged(found["outcome"], found["promote"], tuple(found["reasons"]))
