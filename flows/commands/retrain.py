"""encore retrain: run the flow, then show what it decided."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from flows.commands.narration import narrate
from flows.config import load
from flows.processes import stop_whole

if TYPE_CHECKING:
    from flows.retrain import Outcome


def run(path: Path, forced: str = "") -> bool:
    """Returns whether the challenger is the champion now.

    Args:
        path: config of the run.
        forced: why the gate is overruled, empty where it is not.
    """
    load(path)  # a typo is told before the engine is loaded
    from flows.retrain import retrain

    signal.signal(signal.SIGTERM, lambda *_: stop_whole(128 + signal.SIGTERM))
    narrate()
    outcome = retrain(str(path.resolve()), forced)
    show(outcome, Console())
    return outcome.ending != "refused"


def show(outcome: "Outcome", console: Console) -> None:
    """Families, verdict, proof and the next command to type."""
    from flows.retraining import standings
    from flows.tasks.publish import plain_words

    rows = standings.table(outcome.lines, intervals=1)
    table = Table(title="Test window, all users, mean and 95 % interval", box=SIMPLE, pad_edge=False)
    for column in rows[0]:
        table.add_column(column, justify="left" if column == "family" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row.values(), style="bold green" if row["family"] == outcome.challenger else None)
    console.print(table)
    console.print(plain_words(outcome.challenger))
    for words in outcome.start:
        console.print(words, markup=False)
    for reason in outcome.reasons:
        console.print(f"- {reason}", markup=False)  # it may name a section such as [churn]
    for mode, found in outcome.latency.items():
        console.print(f"- Proof, asked {mode}: p50 {found['p50_ms']:.0f} ms, p99 {found['p99_ms']:.0f} ms.")
    console.print(f"Data: {outcome.report}", soft_wrap=True)
    console.print(f"Report: [bold]{outcome.page}[/]", soft_wrap=True)
    console.print(_ending(outcome))


def _ending(outcome: "Outcome") -> str:
    if outcome.ending == "promoted":
        return f"[bold green]Promoted {outcome.bento}.[/] Next: [bold]encore up[/] or [bold]encore serve[/]"
    if outcome.ending == "unchanged":
        return f"[bold]{outcome.bento} is the champion already.[/] Next: [bold]encore serve[/]"
    return "[bold red]Refused.[/] Nothing was changed. Next: [bold]encore history[/]"
