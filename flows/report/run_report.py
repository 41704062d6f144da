"""Run report: what a retraining decided and why, who wins where, how the data moved, what it cost."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.files import read_json
from flows.report.page import Light, Section, write_page
from flows.retraining import standings
from flows.retraining.case import Case
from flows.retraining.context import Context
from flows.steps import Artefact
from flows.tasks.evaluate import summary_of
from flows.tasks.warm_against_cold import rows_of, sentence
from flows.tracking import plots
from flows.tracking.bill import Position, of_family, price_of_better, table
from flows.tracking.plots import Estimate
from validation.gates.verdict import Role

LIGHTS: Mapping[str, Light] = {"promoted": "green", "unchanged": "green", "refused": "amber"}
HEADLINES = {
    "promoted": "Promoted: another model answers from now on",
    "unchanged": "Unchanged: the champion was found again",
    "refused": "Refused: the model before goes on answering",
}


def write_report(
    run: Context,
    case: Case,
    *,
    ending: str,
    reasons: Sequence[str],
    latency: Mapping[str, Mapping[str, float]],
    positions: Sequence[Position],
) -> Path:
    """Write the page of a run; returns where it is.

    Args:
        run: the retrain.
        case: what was judged.
        ending: promoted, unchanged or refused.
        reasons: most important first.
        latency: milliseconds by mode of the proof; empty without one.
        positions: the bill.
    """
    metric, verdict = run.config.gate.metric, read_json(case.judged.file("verdict.json"))
    sections = [_against(verdict, metric), _families(case, metric), _slices(case, metric)]
    sections += [*_start(case)]
    sections += [*_drift(case.drifted), *_latency(latency), _costs(case, metric, positions)]
    file = run.home.reports / f"{run.run_key}.html"
    write_page(
        file,
        light=LIGHTS[ending],
        headline=HEADLINES[ending],
        summary=f"{run.config.name}: {case.best.family} was best on validation and is the challenger.",
        reasons=reasons,
        sections=[each for each in sections if each is not None],
        footer=f"Data {run.snapshot.digest[:12]}, run {run.run_key}. Every number is in MLflow: "
        f"{run.tracker.page(run.run_id)}",
    )
    return file


def _against(verdict: Mapping[str, Any], metric: str) -> Section | None:
    """Differences to the champion, or before the first one to the best baseline, slice by slice."""
    contests = [each for each in verdict["contests"] if each["metric"] == metric]
    champion = [each for each in contests if each["role"] == Role.CHAMPION]
    rows = champion or contests
    if not rows:
        return None
    overall = [each for each in rows if each["slice"] == "all"]
    opponent = max(overall, key=lambda each: float(each["opponent_mean"]))["opponent"]
    differences = [_difference(each) for each in rows if each["opponent"] == opponent]
    words = f"Difference in {metric} on the same users, with 95 % intervals. Right of 0 the challenger wins."
    return Section(
        f"The challenger against {'the champion' if champion else opponent}",
        words,
        plots.differences(differences, metric=metric),
    )


def _difference(contest: Mapping[str, Any]) -> Estimate:
    found = contest["comparison"]
    name = f"{contest['slice']} ({found['n']:,} users)"
    return Estimate(name, found["difference"], found["low"], found["high"])


def _families(case: Case, metric: str) -> Section:
    estimates = [line.test[metric] for line in case.lines]
    figure = plots.forest(estimates, metric=metric, winner=case.best.family)
    return Section("Every family on the test", "", figure, standings.table(case.lines))


def _slices(case: Case, metric: str) -> Section:
    found: dict[str, dict[str, float]] = {}
    for each in case.field:
        for row in summary_of(each.scored):
            if row["metric"] == metric:
                found.setdefault(row["slice"], {})[each.family] = row["mean"]
    winners = {name: max(means, key=lambda family: means[family]) for name, means in found.items()}
    words = ". ".join(f"{name}: {family}" for name, family in winners.items())
    return Section("Who wins where", f"Best by {metric}. {words}.", plots.by_slice(found, metric=metric))


def _start(case: Case) -> list[Section]:
    if not case.start:
        return []
    if case.warm is None:
        return [Section("What the champion's family started from", case.start)]
    rows = rows_of(case.warm.compared, case.warm.trained, case.warm.cold)
    words = f"{case.start} {sentence(case.warm.compared, rows)}"
    return [Section("Warm start against cold start", words, rows=rows)]


def _drift(drifted: Artefact | None) -> list[Section]:
    if drifted is None:
        return []
    rows = [
        {
            "measure": each["name"],
            "moved by": f"{each['value']:.3f}",
            "calls for": each["level"],
            "champion's data": each["before"],
            "now": each["now"],
        }
        for each in read_json(drifted.file("measures.json"))
    ]
    return [Section("How the data moved since the champion", rows=rows)]


def _latency(latency: Mapping[str, Mapping[str, float]]) -> list[Section]:
    if not latency:
        return []
    rows = [
        {"asked": mode, "p50 ms": f"{found['p50_ms']:.1f}", "p99 ms": f"{found['p99_ms']:.1f}"}
        for mode, found in latency.items()
    ]
    words = "The packaged service answered frozen requests with the same items as offline."
    return [Section("Proof", words, rows=rows)]


def _costs(case: Case, metric: str, positions: Sequence[Position]) -> Section:
    families = {each.family: of_family(each) for each in case.field}
    seconds = {name: cost.cpu_seconds for name, cost in families.items()}
    price = price_of_better(families, case.lines, metric)
    words = f"{price} A step that was not repeated shows what it cost then."
    return Section("Cost", words.strip(), plots.costs(seconds), table(positions))
