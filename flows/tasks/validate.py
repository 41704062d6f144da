"""Validate: the snapshot against its expectations, before anything learns from it."""

from datetime import UTC, datetime
from pathlib import Path

from data.errors import DataError
from data.snapshot import Snapshot, open_snapshot
from flows.environment import Home
from flows.files import write_json
from flows.retraining.context import Context
from flows.steps import Artefact, step
from validation.snapshot.expectations import ValidationConfig
from validation.snapshot.validate import validate as check


class DataRefused(ValueError):
    """A critical expectation failed; the message names it, the rows that broke it and the report."""


@step("validate", layers=("data", "validation"))
def validate(
    run: Context,
    draft: Path,
    *,
    snapshot: Artefact,
    previous: Artefact | None,
    config: ValidationConfig,
    day: str,
) -> None:
    """Leaves verdict.json; pages and offending rows lie in var/validation/ and in MLflow.

    Args:
        run: the retrain.
        draft: folder to fill.
        snapshot: what is about to be learned from.
        previous: the one before it, for the volume.
        config: thresholds.
        day: of the check, ISO 8601 UTC; freshness changes with it.

    Raises:
        DataRefused: a critical expectation failed.
    """
    before = None if previous is None else open_snapshot(Path(previous.path))
    out = pages(run.home, snapshot.digest)
    verdict = check(open_snapshot(Path(snapshot.path)), before, config, out)
    run.tracker.folder(run.run_id, out, "validation")
    if not verdict.passed:
        raise DataRefused(verdict.message())
    results = [{"name": result.name, "passed": result.passed} for result in verdict.checks]
    write_json(draft / "verdict.json", {"day": day, "mode": verdict.mode, "checks": results})


def pages(home: Home, digest: str) -> Path:
    """Folder of report.html, data_docs/ and offending rows of a snapshot."""
    return home.root / "validation" / digest[:12]


def today() -> str:
    """The day of a check."""
    return datetime.now(UTC).date().isoformat()


def previous_of(home: Home, snapshot: Snapshot) -> Snapshot | None:
    """The newest snapshot of the same source that is older than this one; None for the first."""
    this = snapshot.manifest
    others = [_opened(path) for path in home.snapshots.iterdir() if path != snapshot.path]
    older = [
        other
        for other in others
        if other and other.manifest.source == this.source and other.manifest.created < this.created
    ]
    return max(older, key=lambda other: other.manifest.created, default=None)


def _opened(path: Path) -> Snapshot | None:
    """A snapshot; None for what is none, or damaged."""
    try:
        return open_snapshot(path)
    except DataError:
        return None
