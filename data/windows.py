"""Windows from a snapshot: the global time cut-off, and leave-one-out for comparison with papers.

Everything that a window's `train` and `catalogue` are made of is chosen before anything later is looked at:
each builder first divides the events into past and future, and only the targets are made of the future.
"""

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from data.catalogue import Catalogue
from data.errors import DataError
from data.histories import encode_histories, with_empty_rows
from data.interactions import Ints
from data.snapshot import Snapshot
from data.split import COLD, Protocol, Window

MIN_EVENTS_TO_LEAVE_ONE_OUT = 3
TRAIN, REFITTED = "train", "train + validation"


class FilterConfig(BaseModel):
    """Which items and how much history a model gets; all counts are of events before the cut-off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_item_events: int = Field(
        default=5,
        ge=0,
        description="An item needs as many to be recommended; 0 takes the whole item table, as papers do.",
    )
    max_history: int | None = Field(default=None, ge=1, description="Newest events kept per user; None: all.")
    min_user_events: int = Field(
        default=1,
        ge=0,
        description="A user with fewer events on catalogue items is left out; 0 asks about new users too.",
    )


def time_window(
    snapshot: Snapshot, *, name: str, cutoff: int, until: int | None, filters: FilterConfig
) -> Window:
    """Learn from what happened before `cutoff`, ask what each user did first after it.

    The catalogue holds the items with at least `filters.min_item_events` events before the cut-off (with 0
    the whole item table, later items included), by item_key. Asked about are users who have an event on a
    catalogue item before the cut-off (with `min_user_events=0` those without as well, by an empty history)
    and any event in [cutoff, until). Their target is the items of the first basket of that time, or without
    baskets the item of the first event alone; an item outside the catalogue is a target that nobody can hit.

    Args:
        snapshot: where the events are.
        name: "valid" or "test".
        cutoff: Unix seconds UTC.
        until: Unix seconds UTC, after `cutoff`; None for the end of the snapshot.
        filters: see `FilterConfig`.

    Raises:
        DataError: nothing before the cut-off survives the filters, or nobody can be asked about.
    """
    if until is not None and until <= cutoff:
        raise DataError(
            "until must be after the cutoff", where=name, got=f"{until} <= {cutoff}", fix="swap or move them"
        )
    columns = _columns(snapshot)
    past = snapshot.interactions(columns, until=cutoff)
    future = snapshot.interactions(columns, since=cutoff, until=until)
    has_baskets = "basket_key" in columns
    protocol = Protocol(
        "time",
        cutoff,
        until,
        target="first basket" if has_baskets else "next item",
        fitted_on=REFITTED if name == "test" else TRAIN,
    )
    return _window(snapshot, name, protocol, past, _first_of(future, has_baskets), filters)


def leave_one_out(
    snapshot: Snapshot, *, name: str, filters: FilterConfig, fitted_on: str | None = None
) -> Window:
    """Ask for each user's last event ("test") or the last but one ("valid"), as papers do.

    `train` holds all but the last event, or all but the last two: in "test" the item of "valid" is part of
    the history. Users with fewer than three events are learned from whole and never asked about. Note that
    events of other users may be later than a target: never compare these numbers with those of a time window.

    Args:
        snapshot: where the events are.
        name: "valid" or "test".
        filters: see `FilterConfig`.
        fitted_on: "train" or "train + validation"; without it the most that `name` allows. A "test" fitted
            on "train" has the catalogue of "valid", and a model of that window answers it.

    Raises:
        DataError: nothing survives the filters, or `name` and `fitted_on` do not go together.
    """
    left_out = {"test": 1, "valid": 2}.get(name)
    if left_out is None:
        raise DataError("name must be valid or test", where="leave_one_out", got=name, fix="use one of them")
    fitted_on = fitted_on or (REFITTED if name == "test" else TRAIN)
    if fitted_on not in ((TRAIN, REFITTED) if name == "test" else (TRAIN,)):
        raise DataError(
            f"fitted_on must be {TRAIN!r}, or for test also {REFITTED!r}",
            where=f"leave_one_out ({name})",
            got=repr(fitted_on),
            fix="use one of them",
        )
    events = snapshot.interactions(_columns(snapshot))
    from_the_end = (pl.len() - pl.int_range(pl.len())).over("user_key").alias("from_the_end")
    asked = (pl.len() >= MIN_EVENTS_TO_LEAVE_ONE_OUT).over("user_key").alias("asked")
    events = events.with_columns(from_the_end, asked)
    past = events.filter(~pl.col("asked") | (pl.col("from_the_end") > left_out))
    target = events.filter(pl.col("asked") & (pl.col("from_the_end") == left_out))
    learned = events.filter(~pl.col("asked") | (pl.col("from_the_end") > 2)) if fitted_on == TRAIN else past
    protocol = Protocol("leave-one-out", None, None, target="next item", fitted_on=fitted_on)
    asked_for = target.select("user_key", "item_key")
    return _window(snapshot, name, protocol, past, asked_for, filters, learned=learned)


def _columns(snapshot: Snapshot) -> list[str]:
    """The columns that a window is made of."""
    wanted = ("user_key", "item_key", "timestamp", "basket_key")
    return [name for name in wanted if name in snapshot.event_columns]


def _first_of(future: pl.DataFrame, has_baskets: bool) -> pl.DataFrame:
    """user_key and item_key of each user's first basket, or of the first event where there are no baskets."""
    first = future.unique("user_key", keep="first", maintain_order=True)
    if has_baskets:
        return future.join(first.select("user_key", "basket_key"), on=["user_key", "basket_key"]).select(
            "user_key", "item_key"
        )
    return first.select("user_key", "item_key")


def _window(
    snapshot: Snapshot,
    name: str,
    protocol: Protocol,
    past: pl.DataFrame,
    target: pl.DataFrame,
    filters: FilterConfig,
    learned: pl.DataFrame | None = None,
) -> Window:
    """Put a window together from what was before and what is asked for.

    The catalogue is counted on `learned`, without it on the whole past.
    """
    catalogue = _catalogue(snapshot, past if learned is None else learned, filters.min_item_events)
    train, user_keys = encode_histories(past, catalogue, min_user_events=filters.min_user_events)
    if filters.min_user_events == 0:
        train, user_keys = with_empty_rows(train, user_keys, target["user_key"].unique().to_list())
    if filters.max_history is not None:
        train = train.last(filters.max_history)
    query_users, items, offsets = _targets(target, user_keys, catalogue)
    if not len(query_users):
        raise DataError(
            "a window must ask about at least one user",
            where=f"{snapshot.path} ({name} window)",
            got=f"{len(user_keys)} users with a history and none of them with an event to predict",
            fix="move the cut-off, lengthen the window or lower min_item_events",
        )
    return Window(name, protocol, train, user_keys, catalogue, query_users, items, offsets)


def _catalogue(snapshot: Snapshot, past: pl.DataFrame, min_events: int) -> Catalogue:
    if min_events == 0:
        return Catalogue(snapshot.items().sort("item_key"), snapshot.text_fields)
    counts = past.group_by("item_key").len().filter(pl.col("len") >= min_events)
    if not counts.height:
        raise DataError(
            f"the catalogue needs items with at least {min_events} events before the cut-off",
            where=str(snapshot.path),
            got=f"{past.height} events and no such item",
            fix="lower min_item_events or move the cut-off",
        )
    items = snapshot.items().join(counts, on="item_key", how="semi").sort("item_key")
    return Catalogue(items, snapshot.text_fields)


def _targets(target: pl.DataFrame, user_keys: list[str], catalogue: Catalogue) -> tuple[Ints, Ints, Ints]:
    """Rows asked about [Q], their distinct target items and the offsets of these [Q + 1]."""
    rows = pl.DataFrame(
        {"user_key": user_keys, "user": np.arange(len(user_keys))},
        schema={"user_key": pl.String, "user": pl.Int64},
    )
    ids = catalogue.frame.select("item_key").with_row_index("item")
    distinct = (
        target.unique()
        .join(rows, on="user_key")
        .join(ids, on="item_key", how="left")
        .select("user", pl.col("item").cast(pl.Int64).fill_null(COLD))
        .sort("user", "item")
    )
    query_users, sizes = np.unique(distinct["user"].to_numpy(), return_counts=True)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return query_users.astype(np.int64), distinct["item"].to_numpy(), offsets
