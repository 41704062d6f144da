"""Tuning: one Optuna study a family, the same number of trials for each, the same result after any kill.

The only file that imports Optuna. A sampler's random state is lost with its process, so every trial gets
a new sampler, seeded by its place in the study: it sees the same past and draws the same numbers whether or
not the study was interrupted. A killed trial is closed as failed and repeated from its start.

Several processes of one machine may work on a study at once: each takes the next free place under a lock and
signs it, so a place whose process is gone is given to another. What a trial sees of the others then depends
on timing, so only a study with one worker gives the same answer each time.
"""

import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import psutil
from filelock import FileLock
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from flows.tuning_config import TuningConfig
from models.recommender import Epoch
from models.space import Choice, Dimension, Float, Int

logger = logging.getLogger(__name__)

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
PLACE, WORKER = "place", "worker"
LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Score:
    """What a trial reached: the metric (more is better) and after how many epochs, 0 if it has none.

    `found` holds the settings that the fit chose itself.
    """

    metric: float
    epochs: int = 0
    found: dict[str, Any] = field(default_factory=dict)


@dataclass
class Attempt:
    """One trial as its objective sees it.

    Attributes:
        index: its place in the study, from 0, the one with the defaults.
        params: the settings to try; those that are not named keep their defaults.
        epochs: what `report` was given so far.
    """

    index: int
    params: dict[str, Any]
    trial: optuna.Trial
    epochs: list[Epoch] = field(default_factory=list)

    def report(self, epoch: Epoch) -> None:
        """Tell the pruner; raises `optuna.TrialPruned` where others did better at this epoch."""
        self.epochs.append(epoch)
        self.trial.report(epoch.metric, epoch.number)
        if self.trial.should_prune():
            raise optuna.TrialPruned


Objective = Callable[[Attempt], Score]
Storage = optuna.storages.BaseStorage


@dataclass(frozen=True, slots=True)
class Tuned:
    """The outcome of a study.

    Attributes:
        params: settings of the best trial, those that its fit found itself included.
        metric: what it reached.
        epochs: after how many epochs, 0 for a family without.
        index: its place in the study.
        values: metric of every place; a pruned trial has its last.
        importance: share of each setting in the metric's variance; empty for fewer than two settings.
    """

    params: dict[str, Any]
    metric: float
    epochs: int
    index: int
    values: tuple[float, ...]
    importance: dict[str, float]


def storage(url: str | None, journal: Path, *, mend: bool = True) -> Storage:
    """The database at `url` (SQLAlchemy), else the journal file.

    Args:
        url: of the database.
        journal: used without one.
        mend: whether to repair what a kill left of the journal; only while nobody else works on it.
    """
    if url is not None:
        return optuna.storages.RDBStorage(url)
    journal.parent.mkdir(parents=True, exist_ok=True)
    if mend:
        if journal.exists():
            content = journal.read_bytes()
            journal.write_bytes(content[: content.rfind(b"\n") + 1])
        journal.with_name(journal.name + ".lock").unlink(missing_ok=True)  # a kill leaves it behind
    return optuna.storages.JournalStorage(JournalFileBackend(str(journal)))


def tune(
    name: str,
    space: Mapping[str, Dimension],
    objective: Objective,
    *,
    defaults: Mapping[str, Any],
    config: TuningConfig,
    storage: Storage,
    seed: int,
    lock: Path,
    shared: bool = False,
) -> Tuned:
    """Run, resume or help with study `name` until its trials are used up; others may work on it meanwhile.

    Args:
        name: of the study; one per family and content of its inputs.
        space: what may be chosen; a family without any gets one trial.
        objective: trains and scores; lets `optuna.TrialPruned` of `Attempt.report` pass.
        defaults: the first trial's values of the settings in `space`.
        config: how many trials.
        storage: where the study lives.
        seed: of the samplers.
        lock: file that every worker of this study holds while it takes a place.
        shared: whether others work on it, so that settings under trial are taken into account.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    lock.parent.mkdir(parents=True, exist_ok=True)
    taking = FileLock(lock)
    pruner = optuna.pruners.MedianPruner(config.startup_trials, config.warmup_epochs)
    with taking:
        study = optuna.create_study(
            storage=storage, study_name=name, direction="maximize", pruner=pruner, load_if_exists=True
        )
    places = range(config.trials if space else 1)
    while True:
        with taking:
            places_left, at_work = _places(study, places)
            if places_left:
                sampler = _sampler(config, seed + places_left[0], shared)
                trial = _take(study, places_left[0], defaults, sampler)
        if places_left:
            _one_trial(study, places_left[0], trial, space, objective)
        elif at_work:
            time.sleep(LOOK_SECONDS)  # a place comes free if its worker dies
        else:
            return _outcome(study)


def _places(study: optuna.Study, places: range) -> tuple[list[int], bool]:
    """The free places, and whether anybody is at work; trials whose worker is gone are closed as failed."""
    taken, at_work = set(), False
    for trial in study.get_trials(deepcopy=False, states=(*ENDED, TrialState.RUNNING)):
        if trial.state == TrialState.RUNNING and not _alive(trial.user_attrs.get(WORKER)):
            study.tell(trial.number, state=TrialState.FAIL)
            logger.info("event=killed_trial_closed study=%s number=%s", study.study_name, trial.number)
            continue
        taken.add(_place(trial))
        at_work |= trial.state == TrialState.RUNNING
    return [place for place in places if place not in taken], at_work


def _place(trial: optuna.trial.FrozenTrial) -> int:
    """Where a trial stands; a study that was begun before places were signed counts its trials."""
    return int(trial.user_attrs.get(PLACE, trial.number))


def _sampler(config: TuningConfig, seed: int, shared: bool) -> optuna.samplers.TPESampler:
    return optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=config.startup_trials, multivariate=False, constant_liar=shared
    )


def _take(
    study: optuna.Study, place: int, defaults: Mapping[str, Any], sampler: optuna.samplers.TPESampler
) -> optuna.Trial:
    """Open and sign the trial of a place."""
    study.sampler = sampler
    if place == 0 and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.enqueue_trial(dict(defaults))
    trial = study.ask()
    trial.set_user_attr(PLACE, place)
    trial.set_user_attr(WORKER, [os.getpid(), psutil.Process().create_time()])
    return trial


def _alive(worker: list[Any] | None) -> bool:
    """Whether the process that signed still runs; a process number may be used again after a restart."""
    try:
        return worker is not None and psutil.Process(worker[0]).create_time() == worker[1]
    except psutil.NoSuchProcess:
        return False


def _one_trial(
    study: optuna.Study,
    place: int,
    trial: optuna.Trial,
    space: Mapping[str, Dimension],
    objective: Objective,
) -> None:
    attempt = Attempt(place, {name: _suggest(trial, name, what) for name, what in space.items()}, trial)
    try:
        score = objective(attempt)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
        epochs = len(attempt.epochs)
        logger.info("event=trial_pruned study=%s trial=%s epochs=%s", study.study_name, place, epochs)
        return
    except BaseException:  # an interrupt too: this process may come back to the study
        study.tell(trial, state=TrialState.FAIL)
        raise
    trial.set_user_attr("epochs", score.epochs)
    trial.set_user_attr("found", score.found)
    study.tell(trial, -math.inf if math.isnan(score.metric) else score.metric)
    logger.info("event=trial_done study=%s trial=%s metric=%.5f", study.study_name, place, score.metric)


def _suggest(trial: optuna.Trial, name: str, what: Dimension) -> Any:
    match what:
        case Float(low, high, log):
            return trial.suggest_float(name, low, high, log=log)
        case Int(low, high):
            return trial.suggest_int(name, low, high)
        case Choice(values):
            return trial.suggest_categorical(name, values)


def _outcome(study: optuna.Study) -> Tuned:
    ended = sorted(study.get_trials(states=ENDED), key=_place)
    values = {i: float(trial.value) for i, trial in enumerate(ended) if trial.value is not None}
    complete = [i for i in values if ended[i].state == TrialState.COMPLETE]
    index = max(complete, key=lambda i: (values[i], -i))
    best = ended[index]
    return Tuned(
        dict(best.params) | best.user_attrs["found"],
        values[index],
        int(best.user_attrs["epochs"]),
        index,
        tuple(values.get(i, -math.inf) for i in range(len(ended))),
        _importance(study, complete),
    )


def _importance(study: optuna.Study, complete: list[int]) -> dict[str, float]:
    """PED-ANOVA shares, which need no random forest and so no randomness."""
    if len(complete) < 4 or len(study.best_params) < 2 or len({t.value for t in study.trials}) < 3:
        return {}
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))
