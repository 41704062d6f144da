"""encore evaluate: a bundle or a family under a named protocol; lists to a CSV file on request."""

import csv
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from data.snapshot import Snapshot, write_snapshot
from data.sources import load as load_source
from data.split import Window
from data.windows import leave_one_out, time_window
from flows.commands.champion import champion
from flows.config import RunConfig, load
from flows.environment import home
from flows.tasks.evaluate import in_ids_of
from models import bundle
from models.families import FAMILIES
from models.fitting import fit_codes, fit_family, use_threads
from models.recommender import NO_ITEM, FitData, Recommendations, Recommender
from validation.evaluation.evaluate import evaluate
from validation.evaluation.report import Report


def run(subject: str, config_path: Path, protocol: str, export: Path | None) -> None:
    """Score `subject` on the users of a window and print the table.

    Args:
        subject: a family, which is fitted with the settings of the config, the folder of a bundle, or
            "champion".
        config_path: run whose data, filters and cut-offs are used.
        protocol: "test", "valid" or "loo".
        export: CSV file for the lists.
    """
    config = load(config_path)
    use_threads(config.threads)
    snapshot = write_snapshot(load_source(config.source), home().snapshots)
    window = window_under(config.at(snapshot.manifest.last_timestamp), protocol, snapshot)
    model, name = _model(subject, config, window)
    report, lists = evaluate(model, window, family=name)
    show(report, protocol, Console())
    if export is not None:
        write_lists(export, lists, window)


def window_under(config: RunConfig, protocol: str, snapshot: Snapshot) -> Window:
    """The window that a protocol's name stands for."""
    if protocol == "loo":
        return leave_one_out(snapshot, name="test", filters=config.filters)
    cutoff, until = config.windows.bounds(protocol)
    return time_window(snapshot, name=protocol, cutoff=cutoff, until=until, filters=config.filters)


def show(report: Report, protocol: str, console: Console) -> None:
    """Means with intervals over all users, then the protocol that goes with every number."""
    title = f"{report.family} · {protocol} · {len(report.user_keys):,} users · 95 % intervals"
    table = Table(title=title, box=SIMPLE)
    for column in ("metric", "mean", "low", "high"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    for row in report.summary():
        if row.slice == "all":
            table.add_row(row.metric, f"{row.mean:.4f}", f"{row.low:.4f}", f"{row.high:.4f}")
    console.print(table)
    words = ", ".join(f"{key}={value}" for key, value in asdict(report.protocol).items())
    console.print(f"Protocol: {words}", soft_wrap=True, highlight=False)


def write_lists(path: Path, lists: Recommendations, window: Window) -> None:
    """CSV with the header user_key,rank,item_key; ranks are 0-based."""
    keys = window.catalogue.keys
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("user_key", "rank", "item_key"))
        for user, row in zip(window.query_users, lists.items, strict=True):
            listed = (item for item in row if item != NO_ITEM)
            writer.writerows((window.user_keys[user], rank, keys[item]) for rank, item in enumerate(listed))


def _model(subject: str, config: RunConfig, window: Window) -> tuple[Recommender, str]:
    """The recommender in the window's ids, and what to call it."""
    if subject in FAMILIES:
        return _fitted(subject, config, window), subject
    folder = Path(champion().bundle_path) if subject == "champion" else Path(subject)
    if not (folder / "bundle.json").is_file():
        raise ValueError(
            f"evaluate needs champion, a family ({', '.join(FAMILIES)}) or the folder of a bundle, "
            f"but got {subject!r}: give one of them."
        )
    packed = bundle.load(folder)
    return in_ids_of(packed, window), packed.recommender.family


def _fitted(family: str, config: RunConfig, window: Window) -> Recommender:
    """Without tuning: the settings of the config, else the family's defaults."""
    codes = fit_codes(window.catalogue, window.train, config.encoder, config.tokenizer, seed=config.seed)
    data = FitData(window.train, len(window.catalogue), codes.vectors, codes.table)
    return fit_family(family, config.families.get(family, {}), data, seed=config.seed).recommender
