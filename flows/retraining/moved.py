"""Moved: how far today's data are from the champion's, and how the champion does on what is new in them."""

from pathlib import Path

from data.errors import DataError
from data.snapshot import Snapshot
from data.split import Window
from data.windows import FilterConfig, time_window
from flows.config import RunConfig
from flows.environment import Home
from flows.record.ledger import Ledger
from flows.record.release import Release
from flows.tasks.evaluate import in_ids_of, k_of
from models import bundle
from validation.drift.config import DriftConfig
from validation.drift.live import live
from validation.drift.measures import Measure, by_level, drift
from validation.evaluation.evaluate import evaluate
from validation.gates.rules import GateConfig


def moved(
    before: Snapshot,
    now: Snapshot,
    champion: Path,
    promised: float | None,
    *,
    gate: GateConfig,
    filters: FilterConfig,
    config: DriftConfig,
) -> list[Measure]:
    """All measures, those first that call for the most.

    The champion's metric on fresh events is among them where it is known what it was promoted with, and where
    at least `gate.min_users` users have events after the champion's data.

    Args:
        before: what the champion was trained on.
        now: today's data.
        champion: folder of its bundle.
        promised: its metric when it was promoted.
        gate: names the metric.
        filters: of the catalogue.
        config: windows and limits.
    """
    measures = drift(before, now, config)
    fresh = _fresh(before, now, filters)
    if not promised or fresh is None or len(fresh.query_users) < gate.min_users:
        return measures
    packed, ks = bundle.load(champion), (k_of(gate.metric),)
    report, _ = evaluate(in_ids_of(packed, fresh), fresh, family=packed.recommender.family, ks=ks)
    found = live(report.values(gate.metric), promised, gate.metric, config.live, seed=config.seed)
    return by_level([*measures, found])


def since(release: Release, before: Snapshot, now: Snapshot, home: Home, config: RunConfig) -> list[Measure]:
    """`moved` since a release, by the settings of a run; `before` is the data behind it."""
    return moved(
        before,
        now,
        Path(release.bundle_path),
        promised_by(home, release.bundle, config.gate.metric),
        gate=config.gate,
        filters=config.filters,
        config=config.drift,
    )


def promised_by(home: Home, digest: str, metric: str) -> float | None:
    """Mean of a metric over all users when this bundle was promoted; None where nothing was measured."""
    ledger = Ledger(home.ledger_url)
    entries = [entry for entry in ledger.entries() if entry.action == "promote" and entry.bundle == digest]
    ledger.close()
    contests = entries[-1].verdict.get("contests", []) if entries else []
    means = [
        each["challenger_mean"] for each in contests if (each["metric"], each["slice"]) == (metric, "all")
    ]
    return float(means[0]) if means else None


def _fresh(before: Snapshot, now: Snapshot, filters: FilterConfig) -> Window | None:
    """Users who did something after the newest event that the champion could have seen."""
    cutoff = before.manifest.last_timestamp + 1
    try:
        return time_window(now, name="live", cutoff=cutoff, until=None, filters=filters)
    except DataError:
        return None
