"""Tuning: one Optuna study a family, the same number of trials for each, the same result after any kill.

The only file that imports Optuna. A sampler's random state is lost with its process, so every trial gets
a new sampler, seeded by how many trials ended before it: it sees the same past and draws the same numbers
whether or not the study was interrupted. A killed trial is closed as failed and repeated from its start.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from flows.tuning_config import TuningConfig
from models.recommender import Epoch
from models.space import Choice, Dimension, Float, Int

logger = logging.getLogger(__name__)

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


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
        index: how many trials of the study ended before, so 0 is the one with the defaults.
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


@dataclass(frozen=True, slots=True)
class Tuned:
    """The outcome of a study.

    Attributes:
        params: settings of the best trial, those that its fit found itself included.
        metric: what it reached.
        epochs: after how many epochs, 0 for a family without.
        index: which trial it was, counting ended ones from 0.
        values: metric of every ended trial in order; a pruned one has its last.
        importance: share of each setting in the metric's variance; empty for fewer than two settings.
    """

    params: dict[str, Any]
    metric: float
    epochs: int
    index: int
    values: tuple[float, ...]
    importance: dict[str, float]


def storage(url: str | None, journal: Path) -> optuna.storages.BaseStorage:
    """The database at `url` (SQLAlchemy), else the journal file, mended if a kill cut its last line."""
    if url is not None:
        return optuna.storages.RDBStorage(url)
    journal.parent.mkdir(parents=True, exist_ok=True)
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
    storage: optuna.storages.BaseStorage,
    seed: int,
) -> Tuned:
    """Run or resume study `name` until its trials are used up.

    Args:
        name: of the study; one per family and content of its inputs.
        space: what may be chosen; a family without any gets one trial.
        objective: trains and scores; lets `optuna.TrialPruned` of `Attempt.report` pass.
        defaults: the first trial's values of the settings in `space`.
        config: how many trials.
        storage: where the study lives.
        seed: of the samplers.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(config.startup_trials, config.warmup_epochs)
    study = optuna.create_study(
        storage=storage, study_name=name, direction="maximize", pruner=pruner, load_if_exists=True
    )
    _close_killed_trials(study)
    n_trials = config.trials if space else 1
    while (index := len(study.get_trials(deepcopy=False, states=ENDED))) < n_trials:
        study.sampler = optuna.samplers.TPESampler(
            seed=seed + index,
            n_startup_trials=config.startup_trials,
            multivariate=False,
            constant_liar=False,
        )
        if index == 0 and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.enqueue_trial({key: defaults[key] for key in space})
        _one_trial(study, index, space, objective)
    return _outcome(study)


def _one_trial(study: optuna.Study, index: int, space: Mapping[str, Dimension], objective: Objective) -> None:
    trial = study.ask()
    attempt = Attempt(index, {name: _suggest(trial, name, what) for name, what in space.items()}, trial)
    try:
        score = objective(attempt)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
        logger.info(
            "event=trial_pruned study=%s trial=%s epochs=%s", study.study_name, index, len(attempt.epochs)
        )
        return
    trial.set_user_attr("epochs", score.epochs)
    trial.set_user_attr("found", score.found)
    study.tell(trial, -math.inf if math.isnan(score.metric) else score.metric)
    logger.info("event=trial_done study=%s trial=%s metric=%.5f", study.study_name, index, score.metric)


def _suggest(trial: optuna.Trial, name: str, what: Dimension) -> Any:
    match what:
        case Float(low, high, log):
            return trial.suggest_float(name, low, high, log=log)
        case Int(low, high):
            return trial.suggest_int(name, low, high)
        case Choice(values):
            return trial.suggest_categorical(name, values)


def _close_killed_trials(study: optuna.Study) -> None:
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        logger.info("event=killed_trial_closed study=%s number=%s", study.study_name, trial.number)


def _outcome(study: optuna.Study) -> Tuned:
    ended = study.get_trials(states=ENDED)
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
