"""Split: the snapshot becomes a window. What is kept is its recipe and its digest; the window is rebuilt."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from data.split import Window
from data.windows import FilterConfig
from flows.config import WindowsConfig
from flows.files import read_json, write_json
from flows.retraining.context import Context, window_at
from flows.steps import Artefact, step


@step("split", layers=("data",))
def split(
    run: Context, draft: Path, *, snapshot: Artefact, name: str, windows: WindowsConfig, filters: FilterConfig
) -> None:
    """Leaves window.json: how to make window `name`, its counts and the digest of its content."""
    cutoff, until = windows.bounds(name)
    recipe = {
        "snapshot": snapshot.digest,
        "name": name,
        "cutoff": cutoff,
        "until": until,
        "filters": filters.model_dump(mode="json"),
    }
    window = window_at(snapshot.path, name, cutoff, until, filters)
    write_json(
        draft / "window.json",
        recipe | {"protocol": asdict(window.protocol), "counts": counts(window), "digest": _digest(window)},
    )


def open_window(run: Context, split: Artefact) -> Window:
    """The window of a split; built once a process."""
    recipe = read_json(split.file("window.json"))
    folder = run.home.snapshots / recipe["snapshot"][:12]
    filters = FilterConfig(**recipe["filters"])
    return window_at(str(folder), recipe["name"], recipe["cutoff"], recipe["until"], filters)


def counts(window: Window) -> dict[str, int]:
    """How large a window is, for people."""
    return {
        "users": window.train.n_users,
        "items": len(window.catalogue),
        "events": len(window.train),
        "queries": len(window.query_users),
        "targets": len(window.target),
    }


def _digest(window: Window) -> str:
    """SHA-256 over everything that a model or a metric may read."""
    train = window.train
    arrays: list[np.ndarray[Any, Any]] = [train.item, train.time, train.basket, train.offsets]
    arrays += [window.query_users, window.target, window.target_offsets]
    total = hashlib.sha256(repr((window.user_keys, window.catalogue.keys, window.catalogue.texts)).encode())
    for array in arrays:
        total.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
    return total.hexdigest()
