"""Conclude: how a retrain ended, told to MLflow, to Prefect, to those who wait for it, and on a page."""

from collections.abc import Sequence

from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from flows.events import tell
from flows.report.run_report import write_report
from flows.retraining.case import Case
from flows.retraining.context import Context
from flows.retraining.standings import markdown
from flows.steps import Artefact
from flows.tasks.judge import verdict_of
from flows.tasks.prove import latency_of
from flows.tracking.bill import bill, table
from flows.tracking.costs import total
from flows.tracking.recording import cost_metrics

REPORTS = "report"


@task(name="conclude", cache_policy=NO_CACHE)
def conclude(
    run: Context, case: Case, ending: str, reasons: Sequence[str], tag: str, proof: Artefact | None
) -> str:
    """Write the page and say how it ended; returns where the page is."""
    positions = bill([*case.steps, *([proof] if proof else [])])
    latency = {} if proof is None else latency_of(proof)
    page = write_report(run, case, ending=ending, reasons=reasons, latency=latency, positions=positions)
    tracker = run.tracker
    tracker.file(run.run_id, page)
    tracker.metrics(run.run_id, cost_metrics(total(each.cost for each in positions)))
    tracker.tag(run.run_id, {"ending": ending, "bento": tag})
    create_markdown_artifact(markdown(table(positions)), key="cost", description="What each step took.")
    create_link_artifact(page.as_uri(), f"{ending}: the report", key=REPORTS, description=reasons[0])
    facts = {"reason": reasons[0], "family": case.best.family, "bento": tag, "run": tracker.page(run.run_id)}
    tell(run.config.name, ending, facts)
    if verdict_of(case.judged).outcome in run.config.gate.alert_when:
        tell(run.config.name, "alert", facts)
    return str(page)
