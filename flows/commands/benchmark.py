"""encore benchmark: a comparison with papers, resumable; tables, plots and a JSON file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.benchmark.asked import Asked
from flows.benchmark.config import absent, contenders, find, load
from flows.commands.narration import narrate
from flows.environment import home

LEFT = ("model", "seen items", "metric")
WIDE = 150
LEFT_OUT = ("R@5", "N@5", "R@20", "N@20", "epochs", "parameters")
"""What a narrower terminal does not show; the Markdown file does."""


def run(name: str, asked: Asked, out: Path) -> None:
    """Do what is missing, print and write everything that is there.

    Args:
        name: of the benchmark, or the path of its config.
        asked: what of it.
        out: folder of JSON, Markdown and plots.
    """
    path = find(name)
    config = load(path)
    contenders(config, asked.families)  # a typo is told before the libraries are loaded
    from flows.benchmark.run import benchmark
    from flows.benchmark.table.files import read, write
    from flows.benchmark.table.keep import keep

    console = Console()
    missing = [] if asked.families else absent(config)
    if missing:
        console.print(f"[dim]Not in this version of the code, left out: {', '.join(missing)}[/]")
    narrate()
    out.mkdir(parents=True, exist_ok=True)
    earlier = read(out, config.name)

    def with_earlier(found: dict[str, Any]) -> dict[str, Any]:
        return keep(found, earlier, list(config.datasets))

    def publish(found: dict[str, Any]) -> None:
        write(with_earlier(found), out)

    result = benchmark(config, asked, home(), publish, earlier, tell=narrate)
    result = with_earlier(result)
    show(result, console)
    written = write(result, out)
    console.print(f"[bold green]Done.[/] {len(written)} files, first {written[0]}", soft_wrap=True)
    console.print("Every trial and fit is in MLflow. Next: [bold]encore up[/]")


def show(result: Mapping[str, Any], console: Console) -> None:
    """All tables of a result, each under its protocol."""
    from flows.benchmark.table.render import KEPT, sections

    for told in result.get("not_kept", ()):
        console.print(f"[yellow]{escape(told)}[/]", soft_wrap=True)
    for title, note, cells in sections(result):
        table = Table(title=title, box=SIMPLE, pad_edge=False, caption=note, caption_justify="left")
        shown = [name for name in cells[0] if console.width >= WIDE or name not in LEFT_OUT]
        for column in shown:
            table.add_column(column, justify="left" if column in LEFT else "right", no_wrap=column != "model")
        for row in cells:
            ours = row.get("model", "").removesuffix(KEPT) == result["config"]["recipe"]
            words = [row[name].replace("*", "") for name in shown]
            table.add_row(*words, style="bold green" if ours else None)
        console.print(table)
