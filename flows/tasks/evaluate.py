"""Evaluate: every model on the same test users in the same run; per-user values are kept."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

from data.split import Window
from flows.files import read_json, write_json
from flows.retraining.context import Context
from flows.steps import Artefact, step
from flows.tasks.split import open_window
from models import bundle
from models.bundle import Bundle
from models.fitting import use_threads
from models.recommender import Recommender
from models.translated import Translated
from validation.evaluation.evaluate import evaluate as score
from validation.evaluation.report import Report
from validation.evaluation.target_slices import SliceConfig, target_slices

REPORT, SUMMARY, TIMES = "report.parquet", "summary.json", "notes/times.json"


@step("evaluate", layers=("data", "models", "validation"))
def evaluate(
    run: Context,
    draft: Path,
    *,
    family: str,
    model: Artefact,
    window: Artefact,
    metric: str,
    slices: SliceConfig,
    threads: int,
) -> None:
    """Leaves report.parquet (a row a user) and summary.json (means with intervals, by slice)."""
    use_threads(threads)
    held_out, packed = open_window(run, window), bundle.load(model.file("bundle"))
    digest = bundle.digest(model.file("bundle"))
    report, _ = score(in_ids_of(packed, held_out), held_out, family=packed.recommender.family, model=digest)
    report.values(metric)  # refuse a metric that is not measured before anything is written
    write_json(draft / TIMES, {"recommend_seconds": report.recommend_seconds})
    every = report.slices | target_slices(held_out, slices)
    report = replace(report, recommend_seconds=0.0, slices=every)  # a digest covers what is written here
    report.save(draft / REPORT)
    write_json(draft / SUMMARY, [asdict(row) for row in report.summary()])


def report_of(evaluated: Artefact) -> Report:
    """The report of an artefact."""
    return Report.load(evaluated.file(REPORT))


def summary_of(evaluated: Artefact) -> list[dict[str, Any]]:
    """Rows of slice, metric, mean, low, high, n."""
    rows: list[dict[str, Any]] = read_json(evaluated.file(SUMMARY))
    return rows


def recommend_seconds(evaluated: Artefact) -> float:
    """Wall time of all lists of an evaluation."""
    return float(read_json(evaluated.file(TIMES))["recommend_seconds"])


def k_of(metric: str) -> int:
    """Length of the lists that a metric looks at; 10 where its name has none.

    >>> k_of("ndcg@5")
    5
    """
    return int(metric.partition("@")[2] or 10)


def in_ids_of(packed: Bundle, window: Window) -> Recommender:
    """The bundle's model, in the ids of the window's catalogue."""
    if packed.catalogue.keys == window.catalogue.keys:
        return packed.recommender
    return cast(Recommender, Translated(packed, window.catalogue))  # it is asked, never stored
