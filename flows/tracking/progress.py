"""Progress: a bar for every training, with loss, metric and time left; a helper has none, two would mix."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from flows.compute.helpers import is_helper
from models.recommender import Config, Epoch, Watcher


@contextmanager
def epochs_of(family: str, trial: int | None, config: Config) -> Iterator[Watcher]:
    """`training_bar` of a trial, or of the final training where `trial` is None."""
    what = f"{family} · final" if trial is None else f"{family} · trial {trial}"
    with training_bar(what, config) as watch:
        yield watch


@contextmanager
def training_bar(what: str, config: Config) -> Iterator[Watcher]:
    """A watcher that moves a bar on the terminal's error stream by one epoch.

    Args:
        what: shown in front.
        config: its `epochs`, if it has any, is the length of the bar.
    """
    columns = (
        TextColumn("{task.description:<26}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[numbers]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=is_helper()) as progress:
        bar = progress.add_task(what, total=getattr(config, "epochs", 1), numbers="")

        def watch(epoch: Epoch) -> None:
            metric = "" if math.isnan(epoch.metric) else f" metric {epoch.metric:.4f}"
            progress.update(bar, advance=1, numbers=f"loss {epoch.loss:.3f}{metric}")

        yield watch
        if not hasattr(config, "epochs"):
            progress.update(bar, advance=1)
