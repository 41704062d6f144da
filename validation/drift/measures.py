"""Drift: how the newest days differ from the newest days that the champion learned from.

Two samples of people never look alike, so a distance between distributions counts only as far as it exceeds
what chance gives: the same distance after users were swapped at random between the two windows. Dims: U users
of both windows (one in both is two), I kinds (items, categories), P permutations.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from data.interactions import SECONDS_PER_DAY
from data.snapshot import Snapshot
from validation.drift.config import DriftConfig, Level, Limits

PERMUTATIONS = 20
MOST_KINDS = 500  # a column of the items with more values is no category
WORD = r"[\p{L}\p{N}]{2,}"


@dataclass(frozen=True, slots=True)
class Measure:
    """One way in which the data may have moved.

    Attributes:
        name: what was compared, such as "items" or "category department".
        value: how far it moved; see `DriftConfig`.
        limits: what that means.
        before: of the reference, in words.
        now: of the newest days, in words.
    """

    name: str
    value: float
    limits: Limits
    before: str
    now: str

    @property
    def level(self) -> Level:
        """What the value calls for."""
        return self.limits.level(self.value)


def drift(reference: Snapshot, current: Snapshot, config: DriftConfig) -> list[Measure]:
    """All measures, those first that call for the most.

    Args:
        reference: what the champion was trained on.
        current: today's data.
        config: windows and limits.
    """
    before, now = Side.of(reference, config.days), Side.of(current, config.days)
    found = [_columns(before, now, config.columns), _volume(before, now, config)]
    if before.events.height and now.events.height:
        found += _behaviour(before, now, config)
    return by_level(found)


def by_level(measures: Iterable[Measure]) -> list[Measure]:
    """Those first that call for the most, otherwise in the order in which they came."""
    order = [Level.ALERT, Level.RETRAIN, Level.FINE]
    return sorted(measures, key=lambda each: order.index(each.level))


def level_of(measures: Iterable[Measure]) -> Level:
    """The most that any measure calls for."""
    levels = {each.level for each in measures}
    return next((level for level in (Level.ALERT, Level.RETRAIN) if level in levels), Level.FINE)


@dataclass(frozen=True, slots=True)
class Side:
    """The newest days of a snapshot.

    Attributes:
        events: user_key, item_key and `repeated`, whether the user had the item before.
        items: the whole item table.
        text_fields: its columns in words.
        schema: column to type, of both tables; those of events have one type each, see `data.tables`.
        days: width of the window.
    """

    events: pl.DataFrame
    items: pl.DataFrame
    text_fields: tuple[str, ...]
    schema: dict[str, str]
    days: int

    @classmethod
    def of(cls, snapshot: Snapshot, days: int) -> "Side":
        """Read a snapshot."""
        since = snapshot.manifest.last_timestamp - days * SECONDS_PER_DAY
        events = snapshot.interactions(["user_key", "item_key", "timestamp"]).with_columns(
            repeated=pl.int_range(pl.len()).over("user_key", "item_key") > 0
        )
        items = snapshot.items()
        schema = {f"items.{name}": str(kind) for name, kind in items.schema.items()}
        schema |= {f"interactions.{name}": "" for name in snapshot.event_columns}
        newest = events.filter(pl.col("timestamp") > since).drop("timestamp")
        return cls(newest, items, snapshot.text_fields, schema, days)


def _columns(before: Side, now: Side, limits: Limits) -> Measure:
    changed = set(before.schema.items()) ^ set(now.schema.items())
    names = sorted({name for name, _ in changed})
    words = ", ".join(names) or "none changed"
    return Measure("columns", float(len(names)), limits, f"{len(before.schema)} columns", words)


def _volume(before: Side, now: Side, config: DriftConfig) -> Measure:
    rates = [side.events.height / side.days for side in (before, now)]
    value = max(rates) / min(rates) - 1 if min(rates) else np.nan
    first, second = (f"{rate:,.0f} events a day" for rate in rates)
    return Measure("volume", value, config.volume, first, second)


def _behaviour(before: Side, now: Side, config: DriftConfig) -> list[Measure]:
    """Everything that needs events on both sides."""
    rng = np.random.default_rng(config.seed)
    found = [_popularity("items", "item_key", before, now, config.items, rng)]
    found += [
        _popularity(f"category {field}", field, before, now, config.categories, rng)
        for field in _categories(before, now)
    ]
    found.append(_lengths(before, now, config.lengths, rng))
    shares = [float(side.events["repeated"].mean()) for side in (before, now)]  # type: ignore[arg-type]
    first, second = (f"{share:.1%} repeated" for share in shares)
    found.append(Measure("repeats", abs(shares[1] - shares[0]), config.repeats, first, second))
    return [*found, *_novelty(before, now, config)]


def _novelty(before: Side, now: Side, config: DriftConfig) -> list[Measure]:
    """New items and their words."""
    fresh = now.items.join(before.items, on="item_key", how="anti")
    share = float(now.events["item_key"].is_in(fresh["item_key"].to_list()).mean())  # type: ignore[arg-type]
    n_before, n_fresh = before.items.height, fresh.height
    known = f"{n_before:,} items"
    items = Measure("new items", share, config.new_items, known, f"{n_fresh:,} more, {share:.1%} of events")
    words = [_words(before.items, before.text_fields), _words(fresh, now.text_fields)]
    unknown = len(words[1] - words[0]) / len(words[1]) if words[1] else 0.0
    said = f"{unknown:.1%} of {len(words[1]):,} in new items"
    return [items, Measure("new words", unknown, config.new_words, f"{len(words[0]):,} words", said)]


def _popularity(
    name: str, column: str, before: Side, now: Side, limits: Limits, rng: np.random.Generator
) -> Measure:
    """Distance of the shares of items, or of a category of items."""
    sides = [_kinds(side, column) for side in (before, now)]
    kinds = pl.concat([side["kind"] for side in sides]).unique().sort()
    counts = sp.vstack([_counts(side, kinds) for side in sides]).tocsr()
    inside = np.arange(counts.shape[0]) >= sides[0]["user_key"].n_unique()
    value = _js(counts, inside)
    chance = float(np.mean([_js(counts, rng.permutation(inside)) for _ in range(PERMUTATIONS)]))
    first, second = (_top(side) for side in sides)
    return Measure(name, max(0.0, value - chance), limits, first, second)


def _kinds(side: Side, column: str) -> pl.DataFrame:
    """user_key and kind of each event."""
    if column == "item_key":
        return side.events.select("user_key", kind="item_key")
    kinds = side.items.select("item_key", kind=pl.col(column).cast(pl.String).fill_null(""))
    return side.events.join(kinds, on="item_key", how="left").select("user_key", "kind")


def _counts(events: pl.DataFrame, kinds: pl.Series) -> sp.csr_matrix:
    """Events of each user and kind: float64 [users, I]."""
    row = events["user_key"].rank("dense").to_numpy() - 1
    column = np.searchsorted(kinds.to_numpy(), events["kind"].to_numpy())
    shape = (int(row.max()) + 1, len(kinds))
    return sp.csr_matrix((np.ones(len(row)), (row, column)), shape=shape)


def _js(counts: sp.csr_matrix, second: NDArray[np.bool_]) -> float:
    """Jensen-Shannon distance, base 2, between the users of the two sides: 0 alike, 1 disjoint."""
    shares = [np.asarray(counts[rows].sum(axis=0)).ravel() for rows in (~second, second)]
    return float(jensenshannon(*shares, base=2))


def _top(events: pl.DataFrame) -> str:
    """The three most frequent kinds with their shares."""
    top = events["kind"].value_counts(sort=True).head(3)
    shares = zip(top["kind"], top["count"], strict=True)
    return ", ".join(f"{kind or '(none)'} {count / events.height:.1%}" for kind, count in shares)


def _lengths(before: Side, now: Side, limits: Limits, rng: np.random.Generator) -> Measure:
    lengths = [side.events.group_by("user_key").len()["len"].to_numpy() for side in (before, now)]
    both, n_before = np.concatenate(lengths), len(lengths[0])

    def distance(values: NDArray[np.uint32]) -> float:
        return float(ks_2samp(values[:n_before], values[n_before:], method="asymp").statistic)

    chance = float(np.mean([distance(rng.permutation(both)) for _ in range(PERMUTATIONS)]))
    first, second = (
        f"{values.mean():.1f} events a user, median {np.median(values):.0f}" for values in lengths
    )
    return Measure("lengths", max(0.0, distance(both) - chance), limits, first, second)


def _categories(before: Side, now: Side) -> list[str]:
    """Text fields of both item tables that have few values."""
    shared = [name for name in now.text_fields if name in before.items.columns]
    plain = [name for name in shared if not isinstance(now.items.schema[name], pl.List)]
    return [name for name in plain if now.items[name].n_unique() <= MOST_KINDS]


def _words(items: pl.DataFrame, fields: tuple[str, ...]) -> set[str]:
    """Distinct words of the text fields, in lower case."""
    there = [name for name in fields if name in items.columns]
    plain = [
        pl.col(name).list.join(" ") if isinstance(items.schema[name], pl.List) else pl.col(name)
        for name in there
    ]
    if not plain or not items.height:
        return set()
    text = pl.concat_str(plain, separator=" ", ignore_nulls=True)
    words = items.select(text.str.to_lowercase().str.extract_all(WORD).alias("words"))
    return set(words["words"].explode().drop_nulls())
