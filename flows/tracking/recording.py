"""Recording: how a retrain, its families and their trials become MLflow runs that read well."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna

from data.snapshot import Snapshot
from flows import fingerprint
from flows.config import RunConfig
from flows.environment import LAYERS, Home
from flows.record.last_run import alone
from flows.retraining.context import Context
from flows.steps import Artefact
from flows.tracking.costs import Cost, Meter, metered
from flows.tracking.tracker import Status, Tracker
from flows.tuning import Attempt
from models.recommender import Epoch


@contextmanager
def recorded(config: RunConfig, home: Home, snapshot: Snapshot, trigger: str) -> Iterator[Context]:
    """The context of one retrain, the only one of its home, with its parent run open, sampled and closed.

    A retrain with the same settings, data and code continues the run it had; children that a kill left open
    are closed.
    """
    data = Artefact(str(snapshot.path), snapshot.digest)
    with (
        alone(home, config.name, snapshot.digest, snapshot.manifest.n_interactions, trigger),
        _parent_run(config, home, data, trigger) as run,
    ):
        yield run


@contextmanager
def _parent_run(config: RunConfig, home: Home, snapshot: Artefact, trigger: str) -> Iterator[Context]:
    tracker = Tracker.at(home)
    key = fingerprint.of(config.of_result(), snapshot.digest, fingerprint.of_code(*LAYERS))[:16]
    tags = {"snapshot": snapshot.digest, "commit": commit(), "config": config.name, "trigger": trigger}
    run_id = tracker.open(key, kind="parent", name=f"retrain {config.name} · {key[:6]}", tags=tags)
    tracker.close_children(run_id)
    tracker.params(run_id, config.model_dump(mode="json"))
    status: Status = "FAILED"
    try:
        with tracker.watched(run_id):
            yield Context(config, home, tracker, snapshot, key, run_id)
        status = "FINISHED"
    finally:
        tracker.close_children(run_id)
        tracker.close(run_id, status)


def family_run(run: Context, family: str, tags: Mapping[str, str] | None = None) -> str:
    """Id of the run of a family, found or opened."""
    return run.tracker.open(
        f"{run.run_key}/{family}",
        kind="family",
        name=family,
        parent=run.run_id,
        tags={"family": family, "snapshot": run.snapshot.digest, "commit": commit(), **(tags or {})},
    )


class TrialRecord:
    """One trial in MLflow: a line an epoch while it runs."""

    def __init__(self, tracker: Tracker, run_id: str, metric: str) -> None:
        self._tracker, self._run_id, self._metric = tracker, run_id, f"valid.{metric_name(metric)}"

    def epoch(self, epoch: Epoch) -> None:
        """Log one epoch, in one round trip."""
        values = {"loss": epoch.loss, self._metric: epoch.metric, "epoch_seconds": epoch.seconds}
        self._tracker.metrics(self._run_id, values, step=epoch.number + 1)

    def done(self, value: float, epochs: int) -> None:
        """Log what the trial reached."""
        self._tracker.metrics(self._run_id, {self._metric: value, "epochs": epochs}, step=epochs)


@contextmanager
def trial(run: Context, family: str, attempt: Attempt, settings: Mapping[str, Any]) -> Iterator[TrialRecord]:
    """The run of one trial; a pruned one ends as finished, with the tag `pruned`."""
    tracker, metric = run.tracker, run.config.gate.metric
    run_id = tracker.open(
        f"{run.run_key}/{family}/{attempt.index}",
        kind="trial",
        name=f"{family} · trial {attempt.index}",
        parent=family_run(run, family),
        tags={"family": family},
        fresh=True,
    )
    tracker.params(run_id, settings)
    status: Status = "FAILED"
    meter = Meter()
    try:
        with metered() as meter:
            yield TrialRecord(tracker, run_id, metric)
        status = "FINISHED"
    except optuna.TrialPruned:
        tracker.tag(run_id, {"pruned": "true"})
        status = "FINISHED"
        raise
    finally:
        tracker.metrics(run_id, cost_metrics(meter.cost))
        tracker.close(run_id, status)


def cost_metrics(cost: Cost) -> dict[str, float]:
    """A cost as MLflow's metrics."""
    return {f"cost.{name}": value for name, value in asdict(cost).items()}


def metric_name(metric: str) -> str:
    """A metric's name as MLflow allows it.

    >>> metric_name("ndcg@10")
    'ndcg_at_10'
    """
    return metric.replace("@", "_at_").replace(" ", "_")


def commit() -> str:
    """Commit of the checkout, "unknown" outside one."""
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    except FileNotFoundError:
        return "unknown"
    return done.stdout.strip() or "unknown"
