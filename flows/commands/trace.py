"""encore trace: where an answer came from, and the same answer again."""

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.environment import home
from flows.record.trace import trace
from flows.tracking.tracker import Tracker


def run(name: str) -> bool:
    """Print everything; returns whether the same question has the same answer."""
    here, console = home(), Console()
    found = trace(here, name)
    rows = [("answered", found.when), ("bento", found.line["bento"] or "none: served from a checkout")]
    if tried := found.line.get("trial"):
        rows.append(("arm", f"{tried['arm']} of a {tried['mode']}, against {_opponent(tried)[:12]}"))
    if version := found.line.get("catalogue"):
        rows.append(("catalogue", f"version {version}, changed while serving"))
    rows += [("bundle", found.line["bundle"]), *sorted(found.lineage.items())]
    for act in found.acts:
        rows.append((f"act {act.seq}: {act.action}", escape(act.reason)))
        if act.run_id:
            rows.append(("MLflow", Tracker.at(here).page(act.run_id)))
    table = Table(box=SIMPLE, show_header=False, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print("asked:", found.line["request"])
    for rank, (item, score) in enumerate(zip(found.line["items"], found.line["scores"], strict=True)):
        console.print(f"{rank:>3}  {item}  {score!r}", highlight=False)
    if found.reproduced:
        console.print("[bold green]Asked again: the same items and scores.[/]")
    elif found.again is None:
        console.print("[bold red]Not asked again: the Bento, its bundle or its catalogue is gone.[/]")
    else:
        console.print("[bold red]Asked again, the answer differs:[/]", found.again[0])
    return found.reproduced


def _opponent(tried: dict[str, str]) -> str:
    """Digest of the other model of the trial."""
    other: str = tried["champion" if tried["arm"] == "challenger" else "challenger"]
    return other
