"""encore history and encore rollback: read the ledger, and go back."""

from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape

from flows.environment import home, who
from flows.record.ledger import Ledger
from flows.record.promotion import Promotions
from flows.tracking.tracker import Tracker

_WORDS = {"promote": "[green]promoted[/]", "rollback": "[yellow]back to[/]", "refuse": "[red]refused[/]"}


def show() -> None:
    """Print the ledger, oldest first: two lines an act."""
    console = Console()
    entries = Ledger(home().ledger_url).entries()
    for entry in entries:
        when = datetime.fromtimestamp(entry.when, UTC).strftime("%Y-%m-%d %H:%M")
        what = f"{_WORDS[entry.action]} {entry.to_bento or entry.bundle[:12]}"
        console.print(f"[bold]{entry.seq:>3}[/]  {when} UTC  {what}  [dim]by {entry.who}[/]", highlight=False)
        console.print(f"     [dim]{escape(entry.reason)}[/]", highlight=False)
    if not entries:
        console.print("The ledger is empty. Next: encore retrain")


def roll_back(reason: str, to: str | None) -> None:
    """Move alias, pointer and ledger to an earlier champion."""
    here = home()
    promotions = Promotions(here, Ledger(here.ledger_url), Tracker.at(here))
    release = promotions.rollback(who=who(), reason=reason, to=to)
    Console().print(f"[bold]{release.bento}[/bold] is the champion again. Next: make serve")
