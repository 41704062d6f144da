"""Tune: a contender's study on the validation users, the same number of trials for each."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data.split import Window
from flows import fingerprint, tuning
from flows.benchmark.config import Contender
from flows.benchmark.pieces import Piece, Pieces
from flows.benchmark.problem import Problem
from flows.benchmark.record import Record
from flows.benchmark.spent import Stopwatch
from flows.environment import Home
from flows.files import read_json, write_json
from flows.tracking.progress import training_bar
from flows.tuning import Attempt, Score
from models.families import FAMILIES
from models.fitting import fit_family
from models.learning.training import history_of
from models.recommender import Epoch, Recommender
from validation.evaluation.evaluate import evaluate

BEST = "best.safetensors"
UNTUNED: dict[str, Any] = {
    "params": {},
    "valid": None,
    "best_trial": None,
    "values": [],
    "trials": 0,
    "seconds": 0.0,
    "cpu_seconds": 0.0,
}


def tune(problem: Problem, contender: Contender, pieces: Pieces, record: Record, home: Home) -> Piece | None:
    """Settings and metric of the best trial, and the seconds of all; None where nothing may be made.

    A contender whose settings are all fixed has no trial. A trial that was killed goes on from its checkpoint
    and is pruned, or not, as it would have been.
    """
    kind, config = FAMILIES[contender.family], problem.config
    space = {name: what for name, what in kind.space.items() if name not in contender.fixed}
    content: list[Any] = [problem.digest, code_of(contender), contender.family, contender.fixed, repr(space)]
    content += [config.tuning, config.metric, config.seed, config.threads]
    content += [contender.first] if contender.first else []

    def make(draft: Path) -> dict[str, Any]:
        if not space:
            return dict(UNTUNED)
        defaults = kind.config(**contender.settings(contender.first))
        tuned = tuning.tune(
            draft.name.removesuffix(".draft"),
            space,
            _objective(problem, contender, draft, record),
            defaults={name: getattr(defaults, name) for name in space},
            config=config.tuning,
            storage=tuning.storage(home.studies_url, draft / "study.journal"),
            seed=config.seed,
            lock=draft / "study.lock",
        )
        _keep_best(draft, tuned.index)
        trials = [read_json(_note(draft, index)) for index in range(len(tuned.values))]
        return {
            "params": tuned.params,
            "valid": tuned.metric,
            "best_trial": tuned.index,
            "values": [value if value > float("-inf") else None for value in tuned.values],
            "trials": len(tuned.values),
            "seconds": sum(trial["seconds"] for trial in trials),
            "cpu_seconds": sum(trial["cpu_seconds"] for trial in trials),
        }

    return pieces.get(f"{contender.name} tune", content, make)


def validator(window: Window, family: str, metric: str) -> Callable[[Recommender], float]:
    """The metric over the users of a window, seen items masked."""
    k = int(metric.partition("@")[2])

    def validate(recommender: Recommender) -> float:
        return evaluate(recommender, window, family=family, ks=(k,), seen_masked=True)[0].mean(metric)

    return validate


def code_of(contender: Contender) -> str:
    """Digest of the code that a contender's numbers come from."""
    recommender = FAMILIES[contender.family].recommender.__module__
    return fingerprint.of_modules(recommender, "models.learning.training", "validation.evaluation.evaluate")


def _objective(
    problem: Problem, contender: Contender, draft: Path, record: Record
) -> Callable[[Attempt], Score]:
    validate = validator(problem.validation, contender.family, problem.config.metric)

    def objective(attempt: Attempt) -> Score:
        settings = contender.settings(attempt.params)
        config = FAMILIES[contender.family].config(**settings)
        name = f"trial-{attempt.index}-{fingerprint.of(settings)[:8]}.safetensors"
        checkpoint, label = draft / name, f"trial {attempt.index}"
        resumed = history_of(checkpoint)
        epochs, stopwatch = list(resumed), Stopwatch(resumed)
        try:
            with (
                record.child("trial", label, config.model_dump()) as run,
                training_bar(f"{problem.name} · {contender.name} · {label}", config) as bar,
            ):
                for epoch in epochs:
                    bar(epoch)
                    run.epoch(epoch)
                    attempt.report(epoch)

                def watch(epoch: Epoch) -> None:
                    epochs.append(epoch)
                    bar(epoch)
                    run.epoch(epoch)
                    attempt.report(epoch)

                stopwatch = Stopwatch(resumed)  # what MLflow takes to open a run is not training
                score = _scored(problem, contender, settings, validate, watch, checkpoint)
                run.valid(score.metric)
        finally:
            spent = stopwatch.read()
            note = {"seconds": spent.wall, "cpu_seconds": spent.cpu, "epochs": [asdict(e) for e in epochs]}
            write_json(_note(draft, attempt.index), note)
        return score

    return objective


def _scored(
    problem: Problem,
    contender: Contender,
    settings: dict[str, Any],
    validate: Callable[[Recommender], float],
    watch: Callable[[Epoch], None],
    checkpoint: Path,
) -> Score:
    """What a fit reaches; a loss that is no longer finite is a bad trial, not the end of the study."""
    try:
        fitted = fit_family(
            contender.family,
            settings,
            problem.learn,
            seed=problem.config.seed,
            validate=validate,
            watch=watch,
            checkpoint=checkpoint,
        )
    except FloatingPointError:
        return Score(float("nan"))
    return Score(validate(fitted.recommender), fitted.epochs, fitted.found)


def _keep_best(draft: Path, index: int) -> None:
    """A fit with the settings and the seed of the study need not repeat its best trial."""
    for left in draft.glob("trial-*.safetensors"):
        if left.name.startswith(f"trial-{index}-"):
            left.replace(draft / BEST)
        else:
            left.unlink()


def _note(draft: Path, index: int) -> Path:
    return draft / f"trial-{index}.json"
