"""Record: a benchmark in MLflow: a run for each data set and contender, below it its trials and fits."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import optuna

from flows.benchmark.config import Contender
from flows.benchmark.problem import Problem
from flows.tracking.recording import commit, metric_name
from flows.tracking.tracker import Kind, Status, Tracker
from models.recommender import Epoch

DIGITS = 12


class Child:
    """One trial or fit in MLflow."""

    def __init__(self, tracker: Tracker, run_id: str, metric: str) -> None:
        self._tracker, self._run_id, self._metric = tracker, run_id, f"valid.{metric_name(metric)}"

    def epoch(self, epoch: Epoch) -> None:
        """Log one epoch."""
        values = {"loss": epoch.loss, "epoch_seconds": epoch.seconds}
        values |= {"epoch_cpu_seconds": epoch.cpu_seconds, self._metric: epoch.metric}
        shown = {name: value for name, value in values.items() if value == value}  # a refit has no metric
        self._tracker.metrics(self._run_id, shown, step=epoch.number + 1)

    def numbers(self, values: Mapping[str, float]) -> None:
        """Log what came out."""
        self._tracker.metrics(self._run_id, {metric_name(name): each for name, each in values.items()})

    def valid(self, value: float) -> None:
        """Log the validation metric of what is kept."""
        self._tracker.metrics(self._run_id, {self._metric: value})


class Record:
    """The runs of one contender on one data set; the parent is opened when something is done."""

    def __init__(self, tracker: Tracker, problem: Problem, contender: Contender) -> None:
        self.tracker, self.problem, self.contender = tracker, problem, contender
        benchmark, digest = problem.config.name, problem.digest[:DIGITS]
        self.key = f"benchmark/{benchmark}/{problem.name}/{digest}/{contender.name}"

    @cached_property
    def run_id(self) -> str:
        """The parent run, found or opened; what a kill left open below it is closed."""
        problem, contender = self.problem, self.contender
        name = f"{problem.config.name} · {problem.name} · {contender.name}"
        tags = {
            "benchmark": problem.config.name,
            "dataset": problem.name,
            "family": contender.family,
            "snapshot": problem.snapshot.digest,
            "commit": commit(),
        }
        run_id = self.tracker.open(self.key, kind="parent", name=name, tags=tags)
        self.tracker.close_children(run_id)
        self.tracker.params(run_id, contender.settings({}))
        return run_id

    @contextmanager
    def child(self, kind: Kind, label: str, settings: Mapping[str, Any]) -> Iterator[Child]:
        """A run below the parent; a pruned trial ends as finished, with the tag `pruned`."""
        name = f"{self.contender.name} · {label}"
        run_id = self.tracker.open(
            f"{self.key}/{label}", kind=kind, name=name, parent=self.run_id, fresh=True
        )
        self.tracker.params(run_id, settings)
        status: Status = "FAILED"
        try:
            yield Child(self.tracker, run_id, self.problem.config.metric)
            status = "FINISHED"
        except optuna.TrialPruned:
            self.tracker.tag(run_id, {"pruned": "true"})
            status = "FINISHED"
            raise
        finally:
            self.tracker.close(run_id, status)

    def finish(self, values: Mapping[str, float]) -> None:
        """Means over the seeds on the parent, which is then closed; nothing where nothing was done."""
        if "run_id" in self.__dict__:
            self.tracker.metrics(self.run_id, {metric_name(name): each for name, each in values.items()})
            self.tracker.close(self.run_id)
