"""Profile: which rows of a snapshot break which rule, counted on disk, so that size does not matter.

A profile has one row a rule. The rules look at rows only: what a table as a whole must be (its size, its age)
is `facts`. What a broken rule means for a run is decided in `validation/`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

import polars as pl

from data.snapshot import FILES, Snapshot
from data.tables import EVENT_SCHEMA, OPTIONAL

ITEM_SCHEMA: dict[str, pl.DataType] = {"item_key": pl.String()}
MOMENT = ("user_key", "item_key", "timestamp", "basket_key")
DERIVED = ("item_known", "in_order")
ABSENT = "absent"
_TABLES = dict(zip(("interactions", "items"), FILES, strict=True))


@dataclass(frozen=True, slots=True)
class Bounds:
    """Oldest and newest plausible timestamp, Unix seconds, both included."""

    earliest: int
    latest: int


@dataclass(frozen=True, slots=True)
class Rule:
    """What no row may be.

    Attributes:
        name: of the check, unique over both tables.
        table: "interactions" or "items".
        needs: columns it reads, derived ones (`scan`) included; without them it is not checked.
        offends: true for a row that breaks the rule, from `Bounds`; None for a rule of uniqueness: every row
            breaks it that is equal to another in all the columns of `needs`, unless all of them are null.
    """

    name: str
    table: str
    needs: tuple[str, ...]
    offends: Callable[[Bounds], pl.Expr] | None = None


def rules_of(snapshot: Snapshot) -> list[Rule]:
    """The rules whose columns are there, in the order in which a reader wants them."""
    usable = usable_columns(snapshot)
    moment = tuple(name for name in MOMENT if name in usable)
    found = [rule for rule in _ROW_RULES if set(rule.needs) <= _columns(snapshot, rule.table)]
    facts = tuple(name for name in usable if name != "position")
    if set(EVENT_SCHEMA) - set(OPTIONAL) <= set(usable):
        found.append(Rule("events_distinct", "interactions", facts))
        found.append(Rule("one_event_a_moment", "interactions", moment))
    if "item_key" in _columns(snapshot, "items"):
        found.append(Rule("items_distinct", "items", ("item_key",)))
    return found


def scan(snapshot: Snapshot, table: str) -> pl.LazyFrame:
    """A table of `snapshot`, its usable columns and what the rules derive from them.

    Args:
        snapshot: where it is.
        table: "interactions" or "items".

    Returns:
        The table with `row` (u32, its number in the file). Interactions also have, where their sources are
        there, `item_known` (bool, the item table has the item) and `in_order` (bool, the row does not belong
        before the one above it in the order user_key, timestamp, position); both are null beside a null.
    """
    lazy = pl.scan_parquet(snapshot.path / _TABLES[table]).with_row_index("row")
    if table == "items":
        return lazy
    usable = set(usable_columns(snapshot))
    if "item_key" in usable and "item_key" in _columns(snapshot, "items"):
        keys = scan(snapshot, "items").select("item_key").drop_nulls().collect().to_series()
        lazy = lazy.with_columns(pl.col("item_key").is_in(keys.implode()).alias("item_known"))
    if {"user_key", "timestamp", "position"} <= usable:
        lazy = lazy.with_columns(_in_order().alias("in_order"))
    return lazy


def profile(snapshot: Snapshot, bounds: Bounds) -> pl.DataFrame:
    """One row a rule: `check` str, `rows` int64 that were looked at, `offending` int64 that break it."""
    rules = rules_of(snapshot)
    rows = {table: _count(scan(snapshot, table)) for table in _TABLES}
    return pl.DataFrame(
        {
            "check": [rule.name for rule in rules],
            "rows": [rows[rule.table] for rule in rules],
            "offending": [_count(_broken(scan(snapshot, rule.table), rule, bounds)) for rule in rules],
        },
        schema={"check": pl.String, "rows": pl.Int64, "offending": pl.Int64},
    )


def offending_rows(snapshot: Snapshot, checks: Sequence[str], bounds: Bounds, *, limit: int) -> pl.DataFrame:
    """The rows that break the rules named in `checks`, at most `limit` each, with the columns of their table.

    Returns:
        `failed_check` str, `source_table` str, `row` (its number in the table's file) and all columns; those
        of the other table are null.
    """
    frames = [
        _broken(scan(snapshot, rule.table), rule, bounds)
        .head(limit)
        .select(
            pl.lit(rule.name).alias("failed_check"),
            pl.lit(rule.table).alias("source_table"),
            pl.all().exclude(DERIVED),
        )
        .collect(engine="streaming")
        for rule in rules_of(snapshot)
        if rule.name in checks
    ]
    return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()


def checked_rows(snapshot: Snapshot, table: str, *, rows: int | None = None) -> pl.DataFrame:
    """The columns that rules read, derived ones included: of all rows, or of a sample.

    Args:
        snapshot: where they are.
        table: "interactions" or "items".
        rows: rough size of a sample of the interactions, whole users by a hash of their key; None for all.
    """
    lazy = scan(snapshot, table)
    if rows is not None and "user_key" in _columns(snapshot, table) and (n_rows := _count(lazy)) > rows:
        lazy = lazy.filter(pl.col("user_key").hash(seed=0) % ceil(n_rows / rows) == 0).head(2 * rows)
    return lazy.select(sorted(_columns(snapshot, table))).collect(engine="streaming")


def usable_columns(snapshot: Snapshot) -> list[str]:
    """Columns of the interactions that are there with the type of the contract, in its order."""
    schema = _schema(snapshot, "interactions")
    return [name for name, dtype in EVENT_SCHEMA.items() if schema.get(name) == dtype]


def types(snapshot: Snapshot, table: str) -> dict[str, str]:
    """Type of each column that the contract knows, as polars names it; "absent" where there is none."""
    schema = _schema(snapshot, table)
    contract = EVENT_SCHEMA if table == "interactions" else ITEM_SCHEMA
    return {name: str(schema.get(name, ABSENT)) for name in contract}


def facts(snapshot: Snapshot) -> dict[str, float]:
    """What holds of the tables as a whole.

    Returns:
        `n_interactions`, `n_items`, `last_timestamp` (Unix seconds, 0 without events), `described` (share of
        the items with at least one filled text field, 1.0 where there are no text fields).
    """
    found = {"n_interactions": float(_count(scan(snapshot, "interactions")))}
    found["n_items"] = float(_count(scan(snapshot, "items")))
    found["last_timestamp"], found["described"] = 0.0, 1.0
    if "timestamp" in usable_columns(snapshot):
        newest = scan(snapshot, "interactions").select(pl.col("timestamp").max()).collect().item()
        found["last_timestamp"] = float(newest or 0)
    if fields := [name for name in snapshot.text_fields if name in _schema(snapshot, "items")]:
        words = [pl.col(name).cast(pl.String).fill_null("").str.strip_chars() != "" for name in fields]
        share = scan(snapshot, "items").select(pl.any_horizontal(words).mean()).collect().item()
        found["described"] = float(share or 0.0)
    return found


def _broken(lazy: pl.LazyFrame, rule: Rule, bounds: Bounds) -> pl.LazyFrame:
    if rule.offends is not None:
        return lazy.filter(rule.offends(bounds))
    together = pl.struct(rule.needs)
    filled = lazy.filter(pl.any_horizontal(pl.col(rule.needs).is_not_null()))
    suspects = filled.filter(together.hash().is_duplicated())  # eight bytes a row; the few left are compared
    return suspects.filter(together.is_duplicated())


def _in_order() -> pl.Expr:
    user, time, position = pl.col("user_key"), pl.col("timestamp"), pl.col("position")
    later = (time > time.shift()) | ((time == time.shift()) & (position > position.shift()))
    after = (user > user.shift()) | ((user == user.shift()) & later)
    return pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(True)).otherwise(after)


def _count(lazy: pl.LazyFrame) -> int:
    return int(lazy.select(pl.len()).collect(engine="streaming").item())


def _schema(snapshot: Snapshot, table: str) -> dict[str, pl.DataType]:
    return dict(pl.read_parquet_schema(snapshot.path / _TABLES[table]))


def _columns(snapshot: Snapshot, table: str) -> set[str]:
    """Usable and derived columns of a table."""
    if table == "items":
        schema = _schema(snapshot, "items")
        return {name for name, dtype in ITEM_SCHEMA.items() if schema.get(name) == dtype}
    derived = set(DERIVED) & set(scan(snapshot, table).collect_schema().names())
    return set(usable_columns(snapshot)) | derived


def _null(name: str, table: str, column: str) -> Rule:
    return Rule(name, table, (column,), lambda _: pl.col(column).is_null())


def _empty(name: str, table: str, column: str) -> Rule:
    return Rule(name, table, (column,), lambda _: pl.col(column) == "")


_ROW_RULES = (
    _null("user_key_filled", "interactions", "user_key"),
    _null("item_key_filled", "interactions", "item_key"),
    _null("timestamp_filled", "interactions", "timestamp"),
    _null("basket_key_filled", "interactions", "basket_key"),
    _empty("user_key_not_empty", "interactions", "user_key"),
    _empty("item_key_not_empty", "interactions", "item_key"),
    Rule(
        "timestamp_in_range",
        "interactions",
        ("timestamp",),
        lambda bounds: ~pl.col("timestamp").is_between(bounds.earliest, bounds.latest),
    ),
    Rule(
        "weight_filled",
        "interactions",
        ("weight",),
        lambda _: pl.col("weight").is_null() | pl.col("weight").is_nan(),
    ),
    Rule(
        "weight_in_range",
        "interactions",
        ("weight",),
        lambda _: (pl.col("weight") < 0) | pl.col("weight").is_infinite(),
    ),
    Rule("item_known", "interactions", ("item_known",), lambda _: ~pl.col("item_known")),
    Rule("in_order", "interactions", ("in_order",), lambda _: ~pl.col("in_order")),
    _null("items_item_key_filled", "items", "item_key"),
    _empty("items_item_key_not_empty", "items", "item_key"),
)
