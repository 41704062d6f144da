"""Tune: a study for one family on the validation window; each trial is a run in MLflow."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.split import Window
from flows import tuning
from flows.compute.helpers import helped
from flows.environment import prepare
from flows.files import read_json, write_json
from flows.retraining.context import Context
from flows.steps import Artefact, step
from flows.tasks.evaluate import k_of
from flows.tasks.split import open_window
from flows.tasks.tokenizer import fit_data
from flows.tracking import recording
from flows.tracking.progress import epochs_of
from flows.tuning import Attempt, Score, Tuned
from flows.tuning_config import TuningConfig
from models.families import FAMILIES
from models.fitting import fit_family, use_threads
from models.recommender import Epoch, Recommender
from models.space import Dimension
from validation.evaluation.evaluate import evaluate

JOURNAL = "notes/study.journal"


@step("tune", layers=("data", "models", "validation"), resumable=True)
def tune(
    run: Context,
    draft: Path,
    *,
    family: str,
    settings: dict[str, Any],
    window: Artefact,
    codes: Artefact,
    config: TuningConfig,
    workers: int,
    metric: str,
    seed: int,
    threads: int,
) -> None:
    """Leaves best.json: settings, metric and epochs of the best trial, and the metric of every trial.

    A setting that `settings` fixes is not tuned. With more than one of `workers` the trials are shared by as
    many processes.
    """
    study = _Study(run, draft, family, settings, window, codes, config, metric, seed, threads, workers > 1)
    helpers = min(workers, config.trials) - 1 if study.space else 0
    storage = tuning.storage(run.home.studies_url, draft / JOURNAL)
    with helped(helpers, _help, study=study):
        tuned = study.work(storage)
    write_json(draft / "notes" / "importance.json", tuned.importance)
    write_json(draft / "best.json", {key: v for key, v in asdict(tuned).items() if key != "importance"})


@dataclass(frozen=True)
class _Study:
    """A study as each of the processes that work on it sees it."""

    run: Context
    draft: Path
    family: str
    settings: dict[str, Any]
    window: Artefact
    codes: Artefact
    config: TuningConfig
    metric: str
    seed: int
    threads: int
    shared: bool

    @property
    def space(self) -> dict[str, Dimension]:
        """What is tuned."""
        every = FAMILIES[self.family].space
        return {name: what for name, what in every.items() if name not in self.settings}

    def work(self, storage: tuning.Storage) -> Tuned:
        """Do trials until none is left."""
        use_threads(self.threads)
        defaults = FAMILIES[self.family].config(**self.settings)
        return tuning.tune(
            self.draft.name.removesuffix(".draft"),
            self.space,
            _objective(self),
            defaults={name: getattr(defaults, name) for name in self.space},
            config=self.config,
            storage=storage,
            seed=self.seed,
            lock=self.draft / "notes" / "study.lock",
            shared=self.shared,
        )


def _help(study: _Study) -> None:
    """What a helper does; it is a process of its own."""
    prepare(study.run.home.root)
    study.work(tuning.storage(study.run.home.studies_url, study.draft / JOURNAL, mend=False))


def best_of(tuned: Artefact) -> dict[str, Any]:
    """Outcome of a study: params, metric, epochs, index, values."""
    best: dict[str, Any] = read_json(tuned.file("best.json"))
    return best


def curve_of(tuned: Artefact) -> list[Epoch]:
    """Epochs of the best trial; empty for a family that counts."""
    file = tuned.file(f"notes/trial-{best_of(tuned)['index']}.json")
    return [Epoch(**epoch) for epoch in read_json(file)] if file.exists() else []


def _objective(study: _Study) -> Callable[[Attempt], Score]:
    run, family, seed = study.run, study.family, study.seed
    learn = fit_data(run, study.window, study.codes)
    validate = _validator(family, open_window(run, study.window), study.metric)

    def objective(attempt: Attempt) -> Score:
        chosen = study.settings | attempt.params
        config = FAMILIES[family].config(**chosen)
        with (
            recording.trial(run, family, attempt, config.model_dump()) as record,
            epochs_of(family, attempt.index, config) as bar,
        ):

            def watch(epoch: Epoch) -> None:
                bar(epoch)
                record.epoch(epoch)
                attempt.report(epoch)

            fitted = fit_family(family, chosen, learn, seed=seed, validate=validate, watch=watch)
            same = fitted.epochs and not fitted.found  # as the model that the kept epoch was judged by
            kept = fitted.history[fitted.epochs - 1].metric if same else validate(fitted.recommender)
            record.done(kept, fitted.epochs)
        notes = study.draft / "notes"
        write_json(notes / f"trial-{attempt.index}.json", [asdict(e) for e in fitted.history])
        return Score(kept, fitted.epochs, fitted.found)

    return objective


def _validator(family: str, window: Window, metric: str) -> Callable[[Recommender], float]:
    k = k_of(metric)

    def validate(recommender: Recommender) -> float:
        return evaluate(recommender, window, family=family, ks=(k,))[0].mean(metric)

    return validate
