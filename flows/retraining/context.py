"""Context: what every task of one retrain is told, and the windows it reads, kept in memory between tasks."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from data.snapshot import Snapshot, open_snapshot
from data.split import Window
from data.windows import FilterConfig, time_window
from flows.config import RunConfig
from flows.environment import Home
from flows.steps import Artefact
from flows.tracking.tracker import Tracker


@dataclass(frozen=True)
class Context:
    """One retrain: its settings, its place, its data and its MLflow run. No part of a step's fingerprint.

    Attributes:
        config: complete settings; a step is told by name which part it depends on.
        home: where bytes go.
        tracker: MLflow.
        snapshot: the data.
        run_key: content hash of settings, data and code; the same key continues the same run.
        run_id: MLflow parent run.
    """

    config: RunConfig
    home: Home
    tracker: Tracker
    snapshot: Artefact
    run_key: str
    run_id: str


@lru_cache(maxsize=2)
def window_at(snapshot: str, name: str, cutoff: int, until: int | None, filters: FilterConfig) -> Window:
    """A time window of the snapshot in folder `snapshot`."""
    return time_window(_snapshot_at(snapshot), name=name, cutoff=cutoff, until=until, filters=filters)


@lru_cache(maxsize=1)
def _snapshot_at(path: str) -> Snapshot:
    return open_snapshot(Path(path))
