"""encore doctor: whether all stores agree."""

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from flows.environment import home
from flows.record.doctor import examine

STYLES = {"fine": "green", "heals": "yellow", "broken": "bold red"}


def run() -> bool:
    """Print what was found; returns whether nothing is broken."""
    findings = examine(home())
    table = Table(box=SIMPLE, show_header=False, pad_edge=False)
    for each in findings:
        table.add_row(each.what, f"[{STYLES[each.health]}]{each.health}[/]", each.words)
    Console().print(table)
    return all(each.health != "broken" for each in findings)
