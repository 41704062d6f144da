"""Counterfactual: the same past with another future, to see whether a fit looked ahead."""

from pathlib import Path

import numpy as np
import polars as pl

from data.interactions import SECONDS_PER_DAY
from data.snapshot import Snapshot, write_snapshot
from data.tables import Tables

SPAN = 30 * SECONDS_PER_DAY


def with_another_future(snapshot: Snapshot, cutoff: int, root: Path, *, seed: int = 0) -> Snapshot:
    """Replace every event at or after `cutoff` by a random one; what is before stays to the bit.

    As many events as before are drawn anew: any user, any item, any second of the 30 days from the cut-off.

    Args:
        snapshot: the real one.
        cutoff: Unix seconds UTC.
        root: folder that gets the new snapshot.
        seed: of the draws.
    """
    events = snapshot.interactions()
    past = events.filter(pl.col("timestamp") < cutoff)
    garbage = _garbage(events, cutoff, events.height - past.height, seed)
    tables = Tables(
        interactions=pl.concat([past, garbage]),
        items=snapshot.items(),
        text_fields=snapshot.text_fields,
        source=f"{snapshot.manifest.source}, another future",
    )
    return write_snapshot(tables, root)


def _garbage(events: pl.DataFrame, cutoff: int, n_rows: int, seed: int) -> pl.DataFrame:
    """Random events with the columns of `events`."""
    rng = np.random.default_rng(seed)
    rows = {name: events[name].gather(rng.integers(0, events.height, n_rows)) for name in events.columns}
    rows["timestamp"] = pl.Series(np.sort(rng.integers(cutoff, cutoff + SPAN, n_rows)))
    rows["position"] = pl.Series(np.arange(events.height, events.height + n_rows))
    if "basket_key" in rows:
        names = pl.Series(np.arange(n_rows)).cast(pl.String)
        rows["basket_key"] = pl.Series(["garbage-"]) + names
    return pl.DataFrame(rows)
