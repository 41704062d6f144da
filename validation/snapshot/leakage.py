"""Leakage: whether anything after the cut-off reached what a model learns from.

Works from the snapshot's raw rows in numpy and shares no code with what built the window, so a mistake there
is not repeated here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.snapshot import Snapshot
from data.split import COLD, Window
from data.windows import FilterConfig
from models.recommender import Arrays
from validation.snapshot.raw_events import RawEvents


@dataclass(frozen=True, slots=True)
class LeakFinding:
    """A rule that does not hold.

    Attributes:
        rule: short name.
        count: how many events, items, users or arrays break it.
        message: what must hold, and what came.
    """

    rule: str
    count: int
    message: str


def audit(window: Window, snapshot: Snapshot, filters: FilterConfig) -> list[LeakFinding]:
    """Recompute from raw rows what `window` may hold, and compare.

    Training events, their times, the users, the catalogue and the targets are compared in both directions:
    what is there and must not be, and what is missing.

    Args:
        window: cut by time.
        snapshot: what it was made from.
        filters: how it was made.

    Returns:
        What does not hold; empty for an honest window.

    Raises:
        ValueError: the window has no cut-off (leave-one-out learns from others' later events by design).
    """
    cutoff, until = window.protocol.cutoff, window.protocol.until
    if cutoff is None:
        raise ValueError(
            f"a leakage audit needs a window with a cut-off, but got the split {window.protocol.split!r}: "
            "audit time windows."
        )
    raw = RawEvents.of(snapshot, window)
    past = raw.where(raw.time < cutoff)
    future = raw.where((raw.time >= cutoff) & (raw.time < (np.inf if until is None else until)))
    known = past.where((past.user >= 0) & (past.item >= 0))
    counts = {
        "future_in_train": int((window.train.time >= cutoff).sum()),
        "event_not_in_the_past": _foreign_events(window, known),
        "time_not_in_the_past": _foreign_times(window, known),
        "history_length": _wrong_lengths(window, known, filters.max_history),
        "wrong_users": _wrong_users(past, filters.min_user_events),
        "wrong_catalogue": _wrong_items(window, past, filters.min_item_events),
        "wrong_targets": _wrong_targets(window, future),
    }
    return [LeakFinding(rule, n, f"{RULES[rule]}, but {n:,} are not") for rule, n in counts.items() if n]


RULES = {
    "future_in_train": "training events must be before the cut-off",
    "event_not_in_the_past": "training events must be raw events before the cut-off",
    "time_not_in_the_past": "training times must be their user's own before the cut-off",
    "history_length": "histories must be as long as the raw ones before the cut-off",
    "wrong_users": "users must be chosen by their events before the cut-off",
    "wrong_catalogue": "items must be chosen by their events before the cut-off",
    "wrong_targets": "targets must be the first basket of their user in the target window",
}


def audit_fit(
    fit: Callable[[Window], Arrays], build: Callable[[Snapshot], Window], real: Snapshot, other: Snapshot
) -> list[LeakFinding]:
    """Fit twice, on the real snapshot and on one with another future; the results must be equal to the bit.

    Args:
        fit: whatever learns or counts: a tokenizer, an item graph, a recommender. Deterministic; may read
            the whole window.
        build: cuts the window.
        real: the snapshot.
        other: the same past with another future (`data.counterfactual.with_another_future`).

    Returns:
        One finding for each array that differs, those of the training data included.
    """
    first, second = ({**visible(window), **fit(window)} for window in (build(real), build(other)))
    return differences(first, second)


def visible(window: Window) -> Arrays:
    """What a window lets a model see, as arrays.

    A user without an event is in a window only because somebody asks about them: nothing to learn from, and
    who asks may well depend on the future.
    """
    train = window.train
    keys, known = np.array(window.user_keys, dtype=np.str_), train.lengths > 0
    return {
        "train.item": train.item,
        "train.time": train.time,
        "train.basket": train.basket,
        "train.lengths": train.lengths[known],
        "user_keys": keys[known],
        "catalogue.keys": np.array(window.catalogue.keys, dtype=np.str_),
    }


def differences(first: Arrays, second: Arrays) -> list[LeakFinding]:
    """One finding for each array that is not the same, to the bit, after another future."""
    names = sorted(set(first) | set(second))
    return [
        LeakFinding(
            "depends_on_the_future", 1, f"nothing learned may depend on later events, but {name!r} does"
        )
        for name in names
        if not _same_bytes(first.get(name), second.get(name))
    ]


def _foreign_events(window: Window, known: RawEvents) -> int:
    """Training events of a user on an item, above the number that the raw rows have."""
    n_items = len(window.catalogue)
    learned, n_learned = np.unique(window.train.user * n_items + window.train.item, return_counts=True)
    raw, n_raw = np.unique(known.user * n_items + known.item, return_counts=True)
    there = pd.Series(n_raw, index=raw).reindex(learned, fill_value=0).to_numpy()
    return int(np.maximum(n_learned - there, 0).sum())


def _foreign_times(window: Window, known: RawEvents) -> int:
    """Training times that are none of their user's raw times."""
    learned = pd.MultiIndex.from_arrays([window.train.user, window.train.time])
    return int((~learned.isin(pd.MultiIndex.from_arrays([known.user, known.time]).unique())).sum())


def _wrong_lengths(window: Window, known: RawEvents, max_history: int | None) -> int:
    """Users whose history misses events, or has too many."""
    expected = np.bincount(known.user, minlength=len(window.user_keys))
    if max_history is not None:
        expected = np.minimum(expected, max_history)
    return int((window.train.lengths != expected).sum())


def _wrong_users(past: RawEvents, min_events: int) -> int:
    """Users with a past who are in the window against the filter, or left out against it."""
    n_users = int(past.user_key.max(initial=-1)) + 1
    on_catalogue = np.bincount(past.user_key[past.item >= 0], minlength=n_users)
    present = np.bincount(past.user_key[past.user >= 0], minlength=n_users) > 0
    wanted = on_catalogue >= max(min_events, 1)
    wrong = (present != wanted) if min_events > 0 else (~present & wanted)
    return int(wrong.sum())


def _wrong_items(window: Window, past: RawEvents, min_events: int) -> int:
    """Items of the catalogue with too few events before the cut-off, and items with enough that it lacks."""
    on_catalogue = np.bincount(past.item[past.item >= 0], minlength=len(window.catalogue))
    elsewhere = np.bincount(past.item_key[past.item < 0])
    return int((on_catalogue < min_events).sum() + (elsewhere >= min_events).sum())


def _wrong_targets(window: Window, future: RawEvents) -> int:
    """Targets that are not of the user's first basket, and items of it that are no targets."""
    theirs = future.where(future.user >= 0)
    frame = pd.DataFrame({name: getattr(theirs, name) for name in ("user", "item", "item_key", "basket")})
    first = frame.groupby("user")["basket"].transform("first")
    basket = frame[frame["basket"] == first].drop_duplicates(["user", "item_key"])
    sizes = np.diff(window.target_offsets)
    asked = pd.DataFrame({"user": np.repeat(window.query_users, sizes), "item": window.target})
    item = basket["item"].where(basket["item"] >= 0, COLD)
    expected = pd.DataFrame({"user": basket["user"], "item": item})
    difference = asked.value_counts().sub(expected.value_counts(), fill_value=0)
    return int(difference.abs().sum())


def _same_bytes(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    if one is None or other is None:
        return False
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
