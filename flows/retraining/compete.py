"""Compete: each family on the same windows, from nothing or from the weights that serve."""

from collections.abc import Sequence

from flows.compute.shared_fit import processes_for
from flows.retraining.context import Context
from flows.retraining.standings import Contender, Warm
from flows.retraining.start import Start
from flows.steps import Artefact
from flows.tasks.evaluate import evaluate
from flows.tasks.train import train
from flows.tasks.tune import tune
from flows.tasks.warm_against_cold import warm_against_cold
from flows.tasks.warm_start import warm_start


def compete(
    run: Context,
    family: str,
    past: Artefact,
    codes_then: Artefact,
    now: Artefact,
    codes: Artefact,
    start: Start,
) -> Contender:
    """Tune on the validation window, refit on everything before the test, score on the test.

    A family that goes on from the champion keeps its settings; one trial tells how good these are.

    Args:
        run: the retrain.
        family: key of FAMILIES.
        past: window that tuning asks about, with `codes_then`.
        codes_then: codes that have not seen what it asks about.
        now: window of the test, with `codes`.
        codes: codes that will serve.
        start: what the champion's family starts from.
    """
    config = run.config
    goes_on = config.warm.start == "warm" and family == start.family
    settings = start.settings if goes_on else config.families[family]
    every = {
        "run": run,
        "family": family,
        "settings": settings,
        "seed": config.seed,
        "threads": config.threads,
    }
    tuned = tune(
        window=past,
        codes=codes_then,
        config=config.tuning,
        workers=config.workers,
        metric=config.gate.metric,
        **every,
    )
    if goes_on:
        trained = _go_on(run, start, now, codes)
    else:
        processes = processes_for(family, config.compute.processes)
        trained = train(best=tuned, window=now, codes=codes, processes=processes, **every)
    return Contender(family, tuned, trained, score(run, family, trained, now), settings)


def _go_on(run: Context, start: Start, now: Artefact, codes: Artefact) -> Artefact:
    """The champion's family, from the weights that serve."""
    config = run.config
    return warm_start(
        run=run,
        family=start.family,
        champion=start.champion,
        window=now,
        codes=codes,
        epochs=config.warm.epochs,
        rate_share=config.warm.rate_share,
        seed=config.seed,
        threads=config.threads,
    )


def beside(
    run: Context, field: Sequence[Contender], now: Artefact, codes: Artefact, start: Start
) -> Warm | None:
    """The warm start beside the cold one; None where they are not to be compared."""
    if run.config.warm.start != "compare" or start.champion is None:
        return None
    cold = next(each for each in field if each.family == start.family)
    trained = _go_on(run, start, now, codes)
    scored = score(run, cold.family, trained, now)
    compared = warm_against_cold(run=run, warm=scored, cold=cold.scored, gate=run.config.gate)
    return Warm(trained, scored, compared, cold)


def score(run: Context, family: str, model: Artefact, window: Artefact) -> Artefact:
    """The report of a bundle on the users of a window; `family` names the step."""
    config = run.config
    return evaluate(
        run=run,
        family=family,
        model=model,
        window=window,
        metric=config.gate.metric,
        slices=config.slices,
        threads=config.threads,
    )
