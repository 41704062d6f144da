"""encore drift: today's data against what the champion was trained on."""

from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from data.snapshot import write_snapshot
from data.sources import load as load_source
from flows.commands.narration import narrate
from flows.config import load
from flows.environment import home
from flows.record.promotion import pointed
from flows.retraining.moved import since
from flows.tasks.drift import reference_of, write_page
from validation.drift.config import Level
from validation.drift.measures import level_of
from validation.drift.report import HEADLINES

STYLES = {Level.FINE: "green", Level.RETRAIN: "yellow", Level.ALERT: "red"}


def run(path: Path) -> Level:
    """Print every measure and write the page; returns what the data call for.

    Raises:
        ValueError: there is no champion, or its data are gone.
    """
    config, here, console = load(path), home(), Console()
    narrate()
    release = pointed(here.pointer)
    if release is None:
        raise ValueError("drift needs a champion to compare with, but there is none: run encore retrain.")
    before = reference_of(here, release.snapshot)
    if before is None:
        raise ValueError(
            f"drift needs the champion's data, but snapshot {release.snapshot[:12]} is not in "
            f"{here.snapshots}: restore it, or retrain."
        )
    now = write_snapshot(load_source(config.source), here.snapshots)
    measures = since(release, before, now, here, config)
    table = Table(box=SIMPLE, pad_edge=False)
    for column in ("measure", "moved by", "calls for", "before", "now"):
        table.add_column(column, justify="right" if column == "moved by" else "left")
    for each in measures:
        style = STYLES[each.level]
        table.add_row(each.name, f"{each.value:.3f}", f"[{style}]{each.level}[/]", each.before, each.now)
    console.print(table)
    page = write_page(here, before, now, measures)
    level = level_of(measures)
    console.print(f"[bold {STYLES[level]}]{HEADLINES[level]}.[/] Page: {page}", soft_wrap=True)
    if level is Level.RETRAIN:
        console.print("Next: [bold]encore retrain[/]")
    return level
