"""Normalise: a source's own frames to `Tables`, or one line that says which rule they break.

All checks are whole-column operations; a message counts the offending rows and shows one of them.
"""

import polars as pl

from data.errors import DataError
from data.tables import EVENT_SCHEMA, Columns, Tables
from data.timestamps import to_unix_seconds

_NEVER_NULL = ("user_key", "item_key", "timestamp", "basket_key", "position")
_TEXT = (pl.String, pl.Categorical, pl.Enum)


def normalise(
    events: pl.DataFrame,
    items: pl.DataFrame,
    columns: Columns,
    *,
    text_fields: tuple[str, ...] = (),
    source: str,
    events_from: str,
    items_from: str,
) -> Tables:
    """Check and rename what a source delivered.

    Args:
        events: one event a row; columns that are not mapped are dropped.
        items: one item a row; all columns are kept.
        columns: what the source calls our columns.
        text_fields: columns of `items` that describe it in words, most telling last.
        source: where the tables come from, for people.
        events_from: file, table or query of the events, for messages.
        items_from: the same of the items.

    Raises:
        DataError: a column is missing or of the wrong type, a key or time is null, a time cannot be parsed,
            an event is there twice or on an item that `items` does not have, an item is there twice, or a
            table is empty.
    """
    item_table = normalise_items(items, columns, text_fields=text_fields, where=items_from)
    interactions = normalise_events(events, columns, where=events_from)
    _refuse_unknown_items(interactions, item_table, events_from, items_from)
    return Tables(interactions, item_table, text_fields, source)


def normalise_events(events: pl.DataFrame, columns: Columns, *, where: str) -> pl.DataFrame:
    """The interactions of `Tables`; raises as `normalise` does."""
    names = columns.of_events()
    _refuse_missing(list(names.values()), events.columns, where)
    _refuse_empty(events, "event", where)
    for ours, theirs in names.items():
        if ours in _NEVER_NULL:
            _refuse_nulls(events, theirs, where)
    converted = {ours: _convert(events[theirs], ours, where) for ours, theirs in names.items()}
    if "position" not in converted:
        converted["position"] = _row_numbers(events.height)
    interactions = pl.DataFrame({name: converted[name] for name in EVENT_SCHEMA if name in converted})
    _refuse_repeated_events(interactions, where)
    return interactions


def normalise_items(
    items: pl.DataFrame, columns: Columns, *, text_fields: tuple[str, ...], where: str
) -> pl.DataFrame:
    """The items of `Tables`; raises as `normalise` does."""
    key = columns.of_item_table
    _refuse_missing([key, *text_fields], items.columns, where)
    _refuse_empty(items, "item", where)
    _refuse_nulls(items, key, where)
    if key != "item_key" and "item_key" in items.columns:
        raise DataError(
            "one column of the item table may be the item_key",
            where=where,
            got=f"columns {key!r} and 'item_key'",
            fix="rename or drop one of them",
        )
    keys = _convert(items[key], "item_key", where)
    table = pl.DataFrame({"item_key": keys, **{name: items[name] for name in items.columns if name != key}})
    repeated = table.filter(pl.col("item_key").is_duplicated())
    if repeated.height:
        raise DataError(
            f"each {key} must have one row in the item table",
            where=where,
            got=f"{repeated.height} rows that share theirs, e.g. {repeated['item_key'][0]!r}",
            fix="keep one row per item",
        )
    return table


def _row_numbers(n: int) -> pl.Series:
    return pl.int_range(n, dtype=pl.Int64, eager=True)


def _convert(column: pl.Series, ours: str, where: str) -> pl.Series:
    """The column as the type that `EVENT_SCHEMA` asks for."""
    if ours == "timestamp":
        return to_unix_seconds(column, where=where)
    if EVENT_SCHEMA[ours] == pl.String:
        return _to_keys(column, where)
    return _to_numbers(column, EVENT_SCHEMA[ours], where)


def _to_keys(column: pl.Series, where: str) -> pl.Series:
    if column.dtype in _TEXT or column.dtype.is_integer():
        return column.cast(pl.String)
    raise DataError(
        f"column {column.name!r} must hold text or integers",
        where=where,
        got=f"type {column.dtype}, e.g. {column.first()!r}",
        fix="convert it to text (a number with a point never equals a key)",
    )


def _to_numbers(column: pl.Series, target: pl.DataType, where: str) -> pl.Series:
    kind = column.dtype
    if kind.is_numeric() and not (target.is_integer() and not kind.is_integer()):
        return column.cast(target)
    numbers = column.cast(target, strict=False) if kind == pl.String else None
    failed = column if numbers is None else column.filter(numbers.is_null() & column.is_not_null())
    if numbers is None or len(failed):
        raise DataError(
            f"column {column.name!r} must hold {'integers' if target.is_integer() else 'numbers'}",
            where=where,
            got=f"{len(failed)} of {len(column)} rows of type {kind}, e.g. {failed.first()!r}",
            fix="convert it, or map another column",
        )
    return numbers


def _refuse_missing(wanted: list[str], present: list[str], where: str) -> None:
    missing = [name for name in wanted if name not in present]
    if missing:
        raise DataError(
            f"column {missing[0]!r} must be there",
            where=where,
            got=f"{len(missing)} missing; there are {', '.join(present) or 'none'}",
            fix="correct [columns] or text_fields in the config, or add the column",
        )


def _refuse_empty(frame: pl.DataFrame, what: str, where: str) -> None:
    if frame.is_empty():
        raise DataError(
            f"the {what} table must have rows", where=where, got="0 rows", fix="check the path or the query"
        )


def _refuse_nulls(frame: pl.DataFrame, name: str, where: str) -> None:
    n_nulls = frame[name].null_count()
    if n_nulls:
        row = frame[name].is_null().arg_true()[0]
        raise DataError(
            f"column {name!r} must not be null",
            where=where,
            got=f"{n_nulls} of {frame.height} rows without it, e.g. row {row}: {_show(frame, row)}",
            fix="fill or drop these rows",
        )


def _refuse_repeated_events(interactions: pl.DataFrame, where: str) -> None:
    """Equal hashes first: they are cheap, and only where there are any the rows themselves are compared."""
    facts = interactions.drop("position")
    hashes = facts.hash_rows()
    if hashes.n_unique() == facts.height:
        return
    suspects = facts.filter(hashes.is_duplicated())
    repeated = suspects.filter(suspects.is_duplicated())
    if repeated.height:
        raise DataError(
            "each event must be there once",
            where=where,
            got=f"{repeated.height} of {facts.height} rows equal to another, e.g. {_show(repeated, 0)}",
            fix="drop the copies, or map a column that tells them apart (basket_key, weight)",
        )


def _refuse_unknown_items(
    interactions: pl.DataFrame, items: pl.DataFrame, events_from: str, items_from: str
) -> None:
    counts = interactions.group_by("item_key").len()
    unknown = counts.join(items, on="item_key", how="anti").sort("len", "item_key", descending=[True, False])
    if unknown.height:
        raise DataError(
            f"each item of an event must be in the item table ({items_from})",
            where=events_from,
            got=f"{unknown['len'].sum()} of {interactions.height} events on {unknown.height} unknown items, "
            f"e.g. {unknown['item_key'][0]!r}",
            fix="add these items to the item table, or drop their events",
        )


def _show(frame: pl.DataFrame, row: int) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in frame.row(row, named=True).items())
