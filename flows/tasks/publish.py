"""Publish: families, verdict and plots, where people look: MLflow and Prefect."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from flows.files import read_json
from flows.retraining import standings
from flows.retraining.context import Context
from flows.retraining.standings import Contender, Standing
from flows.steps import Artefact
from flows.tasks.judge import verdict_of
from flows.tasks.split import open_window
from flows.tasks.tokenizer import CODES
from flows.tasks.tune import best_of, curve_of
from flows.tracking import plots, recording
from flows.tracking.bill import of_family
from flows.tracking.recording import metric_name
from models.families import FAMILIES
from models.tokenizers.store import load_codes


@task(name="publish", cache_policy=NO_CACHE)
def publish(
    run: Context,
    contenders: Sequence[Contender],
    lines: Sequence[Standing],
    judged: Artefact,
    codes: Artefact,
    windows: Sequence[Artefact],
    challenger: str,
) -> None:
    """Log what was found; a run that is repeated logs the same again."""
    by_name = {line.name: line for line in lines}
    for each in contenders:
        _family(run, each, by_name[each.family])
    _inputs(run, windows)
    _parent(run, lines, judged, codes, challenger)
    rows = standings.table(lines)
    verdict = judged.file("verdict.md").read_text(encoding="utf-8")
    create_table_artifact(rows, key="families", description="Test window, all users, 95 % intervals.")
    create_markdown_artifact(f"{plain_words(challenger)}\n\n{verdict}", key="verdict")
    page = run.tracker.page(run.run_id)
    create_link_artifact(page, "The run in MLflow", key="mlflow-run", description="While `encore up` runs.")


def plain_words(challenger: str) -> str:
    """Whether the generative recipe won; the first line of every report."""
    if FAMILIES[challenger].generative:
        return f"The generative family {challenger} was best on validation and is the challenger."
    return f"No generative family won: {challenger} was best on validation and is the challenger."


def _family(run: Context, each: Contender, line: Standing) -> None:
    best, run_id = best_of(each.tuned), recording.family_run(run, each.family)
    settings = each.settings | best["params"]
    run.tracker.params(run_id, FAMILIES[each.family].config(**settings).model_dump())
    metric = run.config.gate.metric
    run.tracker.metrics(
        run_id,
        _test_metrics(line)
        | {
            f"valid.{metric_name(metric)}": best["metric"],
            "best_trial": best["index"],
            "epochs": best["epochs"],
        }
        | {"fit_seconds": line.fit_seconds, "recommend_seconds": line.recommend_seconds}
        | recording.cost_metrics(of_family(each)),
    )
    run.tracker.figures(run_id, _study_figures(each, metric))
    run.tracker.close(run_id)


def _study_figures(each: Contender, metric: str) -> dict[str, Figure]:
    values, curve = best_of(each.tuned)["values"], curve_of(each.tuned)
    shares = read_json(each.tuned.file("notes/importance.json"))
    figures = {"study": plots.study_history(values, metric=metric)} if len(values) > 1 else {}
    if curve:
        figures["learning_curves"] = plots.learning_curves(curve)
    if shares:
        figures["importance"] = plots.importance(shares)
    return figures


def _inputs(run: Context, windows: Sequence[Artefact]) -> None:
    for window in windows:
        recipe = read_json(window.file("window.json"))
        run.tracker.data(
            run.run_id,
            name=f"{run.config.name} {recipe['name']}",
            digest=recipe["digest"],
            source=run.snapshot.path,
            context=recipe["name"],
            profile=recipe["counts"],
        )
        counts = {f"data.{recipe['name']}.{key}": value for key, value in recipe["counts"].items()}
        run.tracker.metrics(run.run_id, counts)
    protocol = open_window(run, windows[-1]).protocol
    run.tracker.tag(run.run_id, {"protocol": f"{protocol.split}, {protocol.target}, {protocol.candidates}"})


def _parent(
    run: Context, lines: Sequence[Standing], judged: Artefact, codes: Artefact, challenger: str
) -> None:
    tracker, metric = run.tracker, run.config.gate.metric
    table, verdict = load_codes(codes.file(CODES)).table, verdict_of(judged)
    estimates = [line.test[metric] for line in lines]
    tracker.metrics(run.run_id, _test_metrics(next(line for line in lines if line.name == challenger)))
    quality: dict[str, Any] = read_json(codes.file("quality.json"))
    tracker.metrics(
        run.run_id,
        {f"codes.{key}": value for key, value in quality.items() if isinstance(value, int | float)},
    )
    tracker.tag(
        run.run_id, {"generation": table.generation, "challenger": challenger, "verdict": verdict.outcome}
    )
    figures = {
        "families": plots.forest(estimates, metric=metric, winner=challenger),
        "code_use": plots.code_use(table.codes, table.sizes),
    }
    tracker.figures(run.run_id, figures)
    for file in (judged.file("verdict.md"), judged.file("verdict.json"), codes.file("quality.json")):
        tracker.file(run.run_id, file)
    families = standings.markdown(standings.table(lines))
    reasons = "\n".join(f"- {reason}" for reason in verdict.reasons)
    tracker.note(run.run_id, f"{plain_words(challenger)}\n\n{reasons}\n\n{families}\n\nBy slice: verdict.md.")


def _test_metrics(line: Standing) -> dict[str, float]:
    """Under the same name for every family, so that one column of the UI compares them."""
    numbers: dict[str, float] = {}
    for metric, found in line.test.items():
        key = f"test.{metric_name(metric)}"
        numbers |= {key: found.mean, f"{key}.low": found.low, f"{key}.high": found.high}
    return numbers
