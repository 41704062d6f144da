"""Fit: a contender with its best settings and one seed, asked for the test once, masked and not.

The same model gives both numbers. A refit learns from the validation events as well, for as many epochs and
with the settings that the validated fit found.
"""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from data.split import Window
from flows.benchmark.config import Contender
from flows.benchmark.made import made
from flows.benchmark.pieces import Piece, Pieces
from flows.benchmark.problem import Problem
from flows.benchmark.record import Child, Record
from flows.benchmark.spent import Spent, Stopwatch
from flows.benchmark.tune import BEST, code_of, validator
from flows.tracking.progress import training_bar
from models.families import FAMILIES
from models.fitting import Fitted, fit_family
from models.learning.training import history_of
from models.recommender import Epoch, FitData, Recommender
from validation.evaluation.evaluate import evaluate
from validation.evaluation.report import Report

CHECKPOINT = "checkpoint.safetensors"
WAYS = {"masked": True, "unmasked": False}
SHOWN = tuple(f"{name}@{k}" for k in (5, 10, 20) for name in ("recall", "ndcg"))


def fit(
    problem: Problem, contender: Contender, tuned: Piece, seed: int, pieces: Pieces, record: Record
) -> Piece | None:
    """Fit on train, early stopping on the validation users; None where nothing may be made.

    Where seed, settings and data are those of the study's best trial, that trial is the fit and not repeated.
    """
    config, settings = problem.config, contender.settings(tuned.result["params"])
    content: list[Any] = [problem.digest, code_of(contender), contender.family, settings, seed, config.metric]
    content += [config.threads]

    def make(draft: Path) -> dict[str, Any]:
        trial = tuned.folder / BEST
        of_this_data = tuned.folder.parent == pieces.root
        if trial.is_file() and of_this_data and seed == config.seed and not contender.is_ablation:
            shutil.copyfile(trial, draft / CHECKPOINT)
        validate = validator(problem.validation, contender.family, config.metric)
        with record.child("fit", f"seed {seed}", settings) as run:
            fitted, spent = trained(
                f"{problem.name} · {contender.name} · seed {seed}",
                contender.family,
                settings,
                problem.learn,
                seed=seed,
                validate=validate,
                run=run,
                checkpoint=draft / CHECKPOINT,
            )
            valid = validate(fitted.recommender)
            run.valid(valid)
            result = _about(fitted, spent, seed) | {"valid": valid}
            result |= _asked(fitted.recommender, problem.test, contender.family, spent, draft, run)
        (draft / CHECKPOINT).unlink(missing_ok=True)
        return result | {"made": made(code_of(contender), config.threads)}

    return pieces.get(f"{contender.name} seed {seed}", content, make)


def refit(
    problem: Problem, contender: Contender, validated: Piece, pieces: Pieces, record: Record
) -> Piece | None:
    """Fit on train + validation with what the validated fit found; None where nothing may be made."""
    settings, epochs = validated.result["settings"], int(validated.result["epochs"])
    seed = int(validated.result["seed"])
    content: list[Any] = [problem.digest, code_of(contender), contender.family, settings, epochs, seed]
    content += [problem.config.threads]

    def make(draft: Path) -> dict[str, Any]:
        with record.child("fit", f"refit, seed {seed}", settings) as run:
            fitted, spent = trained(
                f"{problem.name} · {contender.name} · refit {seed}",
                contender.family,
                settings,
                problem.data_of(problem.refitted),
                seed=seed,
                run=run,
                checkpoint=draft / CHECKPOINT,
                stop_after=epochs or None,
            )
            result = _about(fitted, spent, seed)
            result |= _asked(fitted.recommender, problem.refitted, contender.family, spent, draft, run)
        (draft / CHECKPOINT).unlink(missing_ok=True)
        return result | {"made": made(code_of(contender), problem.config.threads)}

    return pieces.get(f"{contender.name} refit {seed}", content, make)


def reports_of(piece: Piece, way: str) -> Report:
    """Scores user by user of a fit, "masked" or "unmasked"."""
    return Report.load(piece.folder / f"{way}.parquet")


def trained(
    what: str,
    family: str,
    settings: dict[str, Any],
    data: FitData,
    *,
    seed: int,
    run: Child,
    checkpoint: Path,
    validate: Callable[[Recommender], float] | None = None,
    stop_after: int | None = None,
) -> tuple[Fitted, Spent]:
    """`fit_family` with a bar and a run in MLflow; also what it cost, epochs before a kill included."""
    resumed = history_of(checkpoint)
    stopwatch = Stopwatch(resumed)
    with training_bar(what, FAMILIES[family].config(**settings)) as bar:

        def watch(epoch: Epoch) -> None:
            bar(epoch)
            run.epoch(epoch)

        for epoch in resumed:
            watch(epoch)
        fitted = fit_family(
            family,
            settings,
            data,
            seed=seed,
            validate=validate,
            watch=watch,
            checkpoint=checkpoint,
            stop_after=stop_after,
        )
    return fitted, stopwatch.read()


def _about(fitted: Fitted, spent: Spent, seed: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "settings": fitted.recommender.config.model_dump(mode="json"),
        "epochs": fitted.epochs,
        "epochs_run": len(fitted.history),
        **spent.to_json(),
        "parameters": parameters(fitted.recommender),
    }


def parameters(recommender: Recommender) -> int:
    """Learned or counted numbers that the recommender keeps: floating-point values of its state."""
    return sum(
        array.size for array in recommender.state().values() if np.issubdtype(array.dtype, np.floating)
    )


def _asked(
    recommender: Recommender, window: Window, family: str, spent: Spent, draft: Path, run: Child
) -> dict[str, Any]:
    """Both ways of asking the test, with the protocol of each; reports go to the draft."""
    test, protocol, recommend_seconds = {}, {}, {}
    for way, masked in WAYS.items():
        report, _ = evaluate(recommender, window, family=family, seen_masked=masked, fit_seconds=spent.wall)
        report.save(draft / f"{way}.parquet")
        test[way] = {metric: report.mean(metric) for metric in (*SHOWN, "mrr@10")}
        test[way] |= {f"coverage@{report.coverage_k}": report.coverage}
        protocol[way] = asdict(report.protocol)
        recommend_seconds[way] = round(report.recommend_seconds, 3)
        run.numbers({f"test.{way}.{metric}": value for metric, value in test[way].items()})
    return {"test": test, "protocol": protocol, "recommend_seconds": recommend_seconds}
