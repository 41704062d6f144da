"""encore trial: champion and challenger side by side, by what their users did after the answers."""

from datetime import UTC, datetime
from math import isnan
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from data.snapshot import Snapshot, write_snapshot
from data.sources import load as load_source
from flows.commands.champion import champion
from flows.config import load
from flows.environment import home
from flows.trial.answers import TrialAnswers, read_trial
from flows.trial.report import ArmCounts, TrialReport, newest_snapshot, report
from validation.gates.hit_rates import HitRate, HitVerdict
from validation.gates.rules import GateConfig
from validation.gates.verdict import Outcome

STYLES = {Outcome.BETTER: "green", Outcome.NOT_WORSE: "green", Outcome.WORSE: "red"}


def run(challenger: str, days: float, k: int, config: Path | None) -> Outcome:
    """Print the report; returns how the challenger stands.

    Raises:
        ValueError: no trial was served, or there are no data.
    """
    here, console = home(), Console()
    answers = read_trial(here.answers, challenger)
    gate = GateConfig() if config is None else load(config).gate
    snapshot = _snapshot(config)
    found = report(answers, snapshot, k=k, days=days, gate=gate)
    console.print(table_of(answers, found, k, days))
    for line in remarks(answers, found, snapshot, days):
        console.print(line, style="dim", highlight=False)
    outcome = found.verdict.outcome
    console.print(
        f"[bold {STYLES.get(outcome, 'yellow')}]{outcome.capitalize()}[/]: {sentence(found.verdict, gate)}"
    )
    return outcome


def table_of(answers: TrialAnswers, found: TrialReport, k: int, days: float) -> Table:
    """A row a measure, a column an arm."""
    title = f"{answers.mode} · an event within {days:g} days counts"
    table = Table(title=title, box=SIMPLE, pad_edge=False)
    table.add_column("")
    names = {"champion": answers.champion, "challenger": answers.challenger}
    for arm, digest in names.items():
        table.add_column(f"{arm} {digest[:12]}", justify="right")
    counts = (found.counts["champion"], found.counts["challenger"])
    rates = (found.verdict.champion, found.verdict.challenger)
    for name, cells in _rows(counts, rates, k):
        table.add_row(name, *cells)
    if found.overlap is not None:
        table.add_row(f"overlap@{k} with the champion", "", _number(found.overlap, "{:.3f}"))
    return table


def remarks(answers: TrialAnswers, found: TrialReport, snapshot: Snapshot, days: float) -> list[str]:
    """What the numbers leave out."""
    ours, theirs = found.counts["champion"], found.counts["challenger"]
    counts = (ours, theirs) if answers.mode == "canary" else (ours,)  # a shadow's answers are the same ones
    day = datetime.fromtimestamp(found.until, UTC).strftime("%Y-%m-%d %H:%M UTC")
    said = [f"Data: snapshot {snapshot.digest[:12]}, newest event {day}."]
    if n := sum(each.by_history for each in counts):
        said.append(f"{n:,} answers by history have no user key: no event can be joined to them.")
    if n := sum(each.too_new for each in counts):
        said.append(f"{n:,} answers are younger than {days:g} days at the newest event and not judged yet.")
    if answers.n_one_arm:
        said.append(f"{answers.n_one_arm:,} answers went to users whom one arm only knows: not compared.")
    missed = ours.answers - theirs.answers - (theirs.errors or 0)
    if answers.mode == "shadow" and missed:
        said.append(
            f"{missed:,} answers the shadow did not see: outside its share, unknown to it, or dropped."
        )
    if answers.n_trials > 1:
        said.append(f"Earlier trials in the log: {answers.n_trials - 1}; --challenger DIGITS names one.")
    return said


def sentence(verdict: HitVerdict, gate: GateConfig) -> str:
    """The numbers behind the outcome."""
    found, contest = verdict.contest.comparison, verdict.contest
    if found.n < gate.min_users:
        return f"{found.n:,} users in the smaller arm can be judged, {gate.min_users:,} are needed."
    return (
        f"{contest.metric} {contest.challenger_mean:.4f} against {contest.opponent_mean:.4f}, difference "
        f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}], margin {gate.margin:.0%}, "
        f"{found.n:,} users in the smaller arm."
    )


def _rows(
    counts: tuple[ArmCounts, ArmCounts], rates: tuple[HitRate, HitRate], k: int
) -> list[tuple[str, list[str]]]:
    return [
        ("answers", [f"{each.answers:,}" for each in counts]),
        ("users", [f"{each.users:,}" for each in counts]),
        ("answers judged", [f"{each.n_answers:,}" for each in rates]),
        ("users judged", [f"{each.n_users:,}" for each in rates]),
        (f"hit rate@{k}", [_interval(each) for each in rates]),
        ("latency p50, ms", [_number(each.p50_ms, "{:.1f}") for each in counts]),
        ("latency p99, ms", [_number(each.p99_ms, "{:.1f}") for each in counts]),
        (
            "failed or late",
            ["see /metrics" if each.errors is None else f"{each.errors:,}" for each in counts],
        ),
    ]


def _interval(rate: HitRate) -> str:
    return "-" if isnan(rate.mean) else f"{rate.mean:.4f} [{rate.low:.4f}, {rate.high:.4f}]"


def _number(value: float, form: str) -> str:
    return "-" if isnan(value) else form.format(value)


def _snapshot(config: Path | None) -> Snapshot:
    here = home()
    if config is not None:
        return write_snapshot(load_source(load(config).source), here.snapshots)
    return newest_snapshot(here, like=champion().snapshot)
