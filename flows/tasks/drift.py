"""Drift: today's data against what the champion was trained on; what a machine must not decide stops."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.errors import DataError
from data.snapshot import Snapshot, open_snapshot
from data.windows import FilterConfig
from flows.environment import Home
from flows.files import write_json
from flows.retraining.context import Context
from flows.retraining.moved import moved
from flows.steps import Artefact, step
from flows.tasks.validate import pages
from validation.drift.config import DriftConfig, Level
from validation.drift.measures import Measure, level_of
from validation.drift.report import plain, write_report
from validation.gates.rules import GateConfig


class DriftAlert(ValueError):
    """The data moved so far that a person should look first; the message names the measures and the page."""


@step("drift", layers=("data", "models", "validation"))
def drift(
    run: Context,
    draft: Path,
    *,
    snapshot: Artefact,
    reference: Artefact,
    champion: Artefact,
    promised: float | None,
    gate: GateConfig,
    filters: FilterConfig,
    config: DriftConfig,
) -> None:
    """Leaves measures.json and measures.md; the page lies in var/validation/ and in MLflow.

    Raises:
        DriftAlert: a measure reached its alert limit, and `config.stop` says so.
    """
    now, before = open_snapshot(Path(snapshot.path)), open_snapshot(Path(reference.path))
    folder = champion.file("bundle")
    measures = moved(before, now, folder, promised, gate=gate, filters=filters, config=config)
    page = write_page(run.home, before, now, measures)
    run.tracker.file(run.run_id, page)
    if config.stop and level_of(measures) is Level.ALERT:
        names = ", ".join(each.name for each in measures if each.level is Level.ALERT)
        raise DriftAlert(
            f"The data must be like what the champion learned from, but moved too far in: {names}. "
            f"Look at {page}; if it is as it should be, raise the limits in [drift], or set stop = false."
        )
    write_json(draft / "measures.json", [_values(each) for each in measures])
    (draft / "measures.md").write_text(plain(measures), encoding="utf-8")


def _values(each: Measure) -> dict[str, Any]:
    limits = each.limits.model_dump()
    words = {"name": each.name, "before": each.before, "now": each.now, "level": str(each.level)}
    return {**words, "value": each.value, "limits": limits}


def write_page(home: Home, before: Snapshot, now: Snapshot, measures: Sequence[Measure]) -> Path:
    """Write the page for people beside those of the data check; returns where it is."""
    page = pages(home, now.digest) / "drift.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    write_report(measures, before.manifest, now.manifest, page)
    return page


def reference_of(home: Home, digest: str) -> Snapshot | None:
    """The snapshot that the champion was trained on; None where it is gone."""
    folder = home.snapshots / digest[:12]
    if not folder.is_dir():
        return None
    try:
        return open_snapshot(folder)
    except DataError:
        return None
