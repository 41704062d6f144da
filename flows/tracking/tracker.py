"""Tracking: what MLflow remembers of a retrain; the only file that imports it.

One parent run, a child a family, a grandchild a trial. Runs are found again by the tag `run_key`, so a run
that was killed is continued and not started twice. A tracker is a value: no global state of MLflow is used.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunStatus
from mlflow.exceptions import MlflowException
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from sqlalchemy import Engine, event

from flows.environment import Home

KEY = "run_key"
MODEL = "encore"
Kind = Literal["parent", "family", "trial", "fit"]
Status = Literal["FINISHED", "FAILED", "KILLED"]
SQLITE = "sqlite:///"
LOCAL_UI = "http://127.0.0.1:5000"
_LONGEST_PARAM = 6000


@dataclass(frozen=True)
class Tracker:
    """MLflow behind one URI.

    Attributes:
        uri: of the store; SQLite file, PostgreSQL or a tracking server.
        files_url: place of the runs' files, for a store that has none of its own.
        experiment: name under which runs are listed.
    """

    uri: str
    files_url: str
    experiment: str = "encore"

    @classmethod
    def at(cls, home: Home) -> "Tracker":
        """The tracker of a project."""
        return cls(home.tracking_uri, home.files_url)

    @cached_property
    def client(self) -> MlflowClient:
        """The connection, opened at first use; the store's tables are made then."""
        make_store(self.uri)
        return MlflowClient(self.uri)

    @cached_property
    def experiment_id(self) -> str:
        """Id of the experiment, made if missing."""
        known = self.client.get_experiment_by_name(self.experiment)
        if known is not None:
            return str(known.experiment_id)
        place = None if self.uri.startswith("http") else self.files_url
        return str(self.client.create_experiment(self.experiment, artifact_location=place))

    def page(self, run_id: str) -> str:
        """Address of a run in MLflow's UI: the server's, else where `encore up` shows a local store."""
        server = self.uri.rstrip("/") if self.uri.startswith("http") else LOCAL_UI
        return f"{server}/#/experiments/{self.experiment_id}/runs/{run_id}"

    def find(self, key: str) -> Run | None:
        """The newest run with this key."""
        wanted = f"tags.{KEY} = '{key}'"
        runs = self.client.search_runs([self.experiment_id], wanted, max_results=1)
        return runs[0] if runs else None

    def open(
        self,
        key: str,
        *,
        kind: Kind,
        name: str,
        parent: str | None = None,
        tags: Mapping[str, str] | None = None,
        fresh: bool = False,
    ) -> str:
        """Continue or start a run; returns its id.

        Args:
            key: finds the run again.
            kind: its place in the tree.
            name: what the UI lists.
            parent: id of the run above.
            tags: commit, snapshot, generation, protocol, family...
            fresh: start anew; what a killed process left open under this key is closed.
        """
        known = self.find(key)
        all_tags = {KEY: key, "kind": kind, **(tags or {})}
        if known is not None and not fresh:
            self._continue(known.info.run_id, all_tags)
            return str(known.info.run_id)
        if known is not None and known.info.status == RunStatus.to_string(RunStatus.RUNNING):
            self.close(known.info.run_id, "KILLED")
        if parent is not None:
            all_tags["mlflow.parentRunId"] = parent
        run = self.client.create_run(self.experiment_id, tags=all_tags, run_name=name)
        return str(run.info.run_id)

    def close(self, run_id: str, status: Status = "FINISHED") -> None:
        """Mark a run as ended."""
        self.client.set_terminated(run_id, status)

    def close_children(self, parent: str) -> int:
        """End what is still open below a run, all levels, as killed; returns how many."""
        closed = 0
        for run in self.children(parent):
            closed += self.close_children(run.info.run_id)
            if run.info.status == RunStatus.to_string(RunStatus.RUNNING):
                self.close(run.info.run_id, "KILLED")
                closed += 1
        return closed

    def children(self, parent: str) -> list[Run]:
        """Runs directly below a run."""
        wanted = f"tags.mlflow.parentRunId = '{parent}'"
        return list(self.client.search_runs([self.experiment_id], wanted, max_results=1000))

    def params(self, run_id: str, values: Mapping[str, Any]) -> None:
        """Log settings; nested ones get dotted names. A value that was logged before stays."""
        flat = dict(flatten(values))
        known = self.client.get_run(run_id).data.params
        new = [Param(key, str(value)[:_LONGEST_PARAM]) for key, value in flat.items() if key not in known]
        for start in range(0, len(new), 100):  # MLflow's limit for one batch
            self.client.log_batch(run_id, params=new[start : start + 100])

    def metrics(self, run_id: str, values: Mapping[str, float], step: int = 0) -> None:
        """Log numbers of one moment in one round trip."""
        now = int(time.time() * 1000)
        self.client.log_batch(run_id, metrics=[Metric(k, float(v), now, step) for k, v in values.items()])

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags."""
        for key, value in tags.items():
            self.client.set_tag(run_id, key, value)

    def note(self, run_id: str, markdown: str) -> None:
        """What the UI shows as the run's description."""
        self.client.set_tag(run_id, "mlflow.note.content", markdown)

    def data(
        self, run_id: str, *, name: str, digest: str, source: str, context: str, profile: Mapping[str, Any]
    ) -> None:
        """Name a data set that went in.

        Args:
            run_id: of the run.
            name: of the data set.
            digest: of its content; MLflow keeps 36 characters.
            source: where it lies.
            context: what it was used for, such as "training".
            profile: its counts.
        """
        dataset = Dataset(name, digest[:36], "local", source, profile=json.dumps(profile))
        self.client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])])

    def figures(self, run_id: str, figures: Mapping[str, Figure]) -> None:
        """Store pictures as plots/<name>.png."""
        for name, figure in figures.items():
            self.client.log_figure(run_id, figure, f"plots/{name}.png")

    def file(self, run_id: str, file: Path) -> None:
        """Store one file as an artefact of the run."""
        self.client.log_artifact(run_id, str(file))

    def folder(self, run_id: str, folder: Path, name: str) -> None:
        """Store a folder as an artefact of the run."""
        self.client.log_artifacts(run_id, str(folder), name)

    @contextmanager
    def watched(self, run_id: str) -> Iterator[None]:
        """Sample processor, memory and disk into the run while the block runs."""
        monitor = SystemMetricsMonitor(run_id, resume_logging=True, tracking_uri=self.uri)
        monitor.start()
        try:
            yield
        finally:
            monitor.finish()

    def register(self, run_id: str, bundle: Path, digest: str, tags: Mapping[str, str]) -> str:
        """Register a bundle as a model version, without pickle; returns the version.

        A digest that is registered already keeps its version.
        """
        self._make_model()
        known = self.client.search_model_versions(f"name = '{MODEL}' and tags.bundle = '{digest}'")
        if known:
            return str(known[0].version)
        self.folder(run_id, bundle, "bundle")
        source = f"{self.client.get_run(run_id).info.artifact_uri}/bundle"
        version = self.client.create_model_version(
            MODEL, source, run_id, tags={"bundle": digest, **tags}, await_creation_for=0
        )
        return str(version.version)

    def point(self, alias: str, version: str) -> None:
        """Make a registry alias mean `version`; "" removes it."""
        self._make_model()
        if version:
            self.client.set_registered_model_alias(MODEL, alias, version)
        else:
            self.client.delete_registered_model_alias(MODEL, alias)

    def pointed(self, alias: str) -> str:
        """The version behind an alias, "" for none."""
        try:
            return str(self.client.get_model_version_by_alias(MODEL, alias).version)
        except MlflowException:
            return ""

    def _make_model(self) -> None:
        if not self.client.search_registered_models(f"name = '{MODEL}'"):
            self.client.create_registered_model(MODEL)

    def _continue(self, run_id: str, tags: Mapping[str, str]) -> None:
        self.client.update_run(run_id, status=RunStatus.to_string(RunStatus.RUNNING))
        self.tag(run_id, tags)


def make_store(uri: str) -> None:
    """Make a local store's SQLite file, whole or not at all; does nothing for one that is there, or a server.

    MLflow's first migration is many transactions: a file that was killed in it can never be opened again. As
    none of them is kept alone, the disk is waited for once, at the end.
    """
    if not uri.startswith(SQLITE) or (file := Path(uri.removeprefix(SQLITE))).exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_name(f"{file.name}.lock")):
        if not file.exists():
            draft = file.with_name(f"{file.name}.draft")
            draft.unlink(missing_ok=True)
            with _unhurried_disk():
                MlflowClient(f"{SQLITE}{draft}").search_registered_models()  # runs and registry
            with draft.open("rb+") as written:
                os.fsync(written.fileno())
            draft.replace(file)


@contextmanager
def _unhurried_disk() -> Iterator[None]:
    """SQLite connections that are opened meanwhile do not wait for the disk after each transaction."""

    def open_(connection: Any, _record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", open_)
    try:
        yield
    finally:
        event.remove(Engine, "connect", open_)


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested settings with dotted names.

    >>> dict(flatten({"gate": {"min_gain": 0.02}, "seed": 1}))
    {'gate.min_gain': 0.02, 'seed': 1}
    """
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
