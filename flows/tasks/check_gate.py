"""Check gate: before it decides, the gate must tell the challenger from itself with its items swapped."""

from pathlib import Path
from typing import cast

from flows.files import write_json
from flows.retraining.context import Context
from flows.steps import Artefact, step
from flows.tasks.evaluate import in_ids_of, report_of
from flows.tasks.split import open_window
from models import bundle
from models.fitting import use_threads
from models.recommender import Recommender
from validation.evaluation.damaged import Damaged
from validation.evaluation.evaluate import evaluate
from validation.gates.check import findings
from validation.gates.rules import GateConfig


@step("check-gate", layers=("data", "models", "validation"))
def check_gate(
    run: Context,
    draft: Path,
    *,
    model: Artefact,
    scored: Artefact,
    others: list[Artefact],
    window: Artefact,
    gate: GateConfig,
    seed: int,
    threads: int,
) -> None:
    """Leaves findings.json: what is wrong with the gate, in sentences; an empty list where nothing is."""
    use_threads(threads)
    held_out, packed = open_window(run, window), bundle.load(model.file("bundle"))
    swapped = Damaged(in_ids_of(packed, held_out), len(held_out.catalogue), seed)
    damaged, _ = evaluate(cast(Recommender, swapped), held_out, family=swapped.family)  # never stored
    others_scored = [report_of(other) for other in others]
    write_json(draft / "findings.json", findings(report_of(scored), damaged, others_scored, gate))
