"""encore validate: read the data and check them, nothing else."""

from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from data.snapshot import write_snapshot
from data.sources import load as load_source
from flows.commands.narration import narrate
from flows.config import load
from flows.environment import home
from flows.tasks.validate import pages, previous_of
from validation.snapshot.validate import validate


def run(path: Path) -> bool:
    """Print the checks that failed and where the report is; returns whether the data may be learned from."""
    config, here, console = load(path), home(), Console()
    narrate()
    snapshot = write_snapshot(load_source(config.source), here.snapshots)
    verdict = validate(snapshot, previous_of(here, snapshot), config.validation, pages(here, snapshot.digest))
    found = [check for check in verdict.checks if not check.passed]
    if found:
        table = Table(title="Checks that failed", box=SIMPLE)
        for column in ("check", "severity", "expected", "observed"):
            table.add_column(column)
        for check in found:
            table.add_row(check.name, check.severity, check.expected, check.observed)
        console.print(table)
    console.print(verdict.message(), soft_wrap=True, highlight=False, markup=False)
    return verdict.passed
