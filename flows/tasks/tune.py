"""Tune: a study for one family on the validation window; each trial is a run in MLflow."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data.split import Window
from flows import recording, tuning
from flows.context import Context
from flows.files import read_json, write_json
from flows.progress import epochs_of
from flows.steps import Artefact, step
from flows.tasks.split import open_window
from flows.tasks.tokenizer import fit_data
from flows.tuning import Attempt, Score
from flows.tuning_config import TuningConfig
from models.families import FAMILIES
from models.fitting import fit_family, use_threads
from models.recommender import Epoch, FitData, Recommender
from validation.evaluate import evaluate


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
    metric: str,
    seed: int,
    threads: int,
) -> None:
    """Leaves best.json: settings, metric and epochs of the best trial, and the metric of every trial.

    A setting that `settings` fixes is not tuned.
    """
    use_threads(threads)
    kind = FAMILIES[family]
    space = {name: what for name, what in kind.space.items() if name not in settings}
    defaults = kind.config(**settings)
    validate = _validator(family, open_window(run, window), metric)
    tuned = tuning.tune(
        draft.name.removesuffix(".draft"),
        space,
        _objective(run, draft, family, settings, fit_data(run, window, codes), validate, seed),
        defaults={name: getattr(defaults, name) for name in space},
        config=config,
        storage=tuning.storage(run.home.studies_url, draft / "notes" / "study.journal"),
        seed=seed,
    )
    write_json(draft / "notes" / "importance.json", tuned.importance)
    write_json(draft / "best.json", {key: v for key, v in asdict(tuned).items() if key != "importance"})


def best_of(tuned: Artefact) -> dict[str, Any]:
    """Outcome of a study: params, metric, epochs, index, values."""
    best: dict[str, Any] = read_json(tuned.file("best.json"))
    return best


def curve_of(tuned: Artefact) -> list[Epoch]:
    """Epochs of the best trial; empty for a family that counts."""
    file = tuned.file(f"notes/trial-{best_of(tuned)['index']}.json")
    return [Epoch(**epoch) for epoch in read_json(file)] if file.exists() else []


def _objective(
    run: Context,
    draft: Path,
    family: str,
    settings: dict[str, Any],
    learn: FitData,
    validate: Callable[[Recommender], float],
    seed: int,
) -> Callable[[Attempt], Score]:
    def objective(attempt: Attempt) -> Score:
        chosen = settings | attempt.params
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
        write_json(draft / "notes" / f"trial-{attempt.index}.json", [asdict(e) for e in fitted.history])
        return Score(kept, fitted.epochs, fitted.found)

    return objective


def _validator(family: str, window: Window, metric: str) -> Callable[[Recommender], float]:
    k = int(metric.partition("@")[2] or 10)

    def validate(recommender: Recommender) -> float:
        return evaluate(recommender, window, family=family, ks=(k,))[0].mean(metric)

    return validate
