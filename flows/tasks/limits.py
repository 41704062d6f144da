"""Limits: coverage, popularity bias and size of the challenger, beside the champion's."""

from dataclasses import asdict
from pathlib import Path

from flows.files import write_json
from flows.retraining.context import Context
from flows.steps import Artefact, step
from flows.tasks.evaluate import report_of
from validation.gates.limits import LimitsConfig, Nature, findings


@step("limits", layers=("validation",))
def limits(
    run: Context,
    draft: Path,
    *,
    model: Artefact,
    scored: Artefact,
    champion: Artefact | None,
    reigning: Artefact | None,
    config: LimitsConfig,
) -> None:
    """Leaves limits.json (what both are like) and findings.json (limits passed).

    Args:
        run: the retrain.
        draft: folder to fill.
        model: the challenger.
        scored: its report.
        champion: the model in production; None before the first promotion.
        reigning: its report.
        config: limits.
    """
    challenger = Nature.of(report_of(scored), size_of(model.file("bundle")))
    before = None
    if champion is not None and reigning is not None:
        before = Nature.of(report_of(reigning), size_of(champion.file("bundle")))
    both = {"challenger": asdict(challenger), "champion": None if before is None else asdict(before)}
    write_json(draft / "limits.json", both)
    write_json(draft / "findings.json", findings(challenger, before, config))


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
