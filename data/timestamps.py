"""Timestamps: whatever a source calls a time, as Unix seconds UTC."""

import polars as pl

from data.errors import DataError

LATEST_PLAUSIBLE = 32_503_680_000  # the year 3000; milliseconds of 1971 and later are beyond it
FORMS = "Unix seconds, ISO 8601 text, dates or datetimes"
_ISO = r"^\s*\d{4}-\d{2}-\d{2}"
_INTEGER = r"^\s*-?\d+(\.\d*)?\s*$"
_MAX_FORMATS = 8  # polars infers one format per call; a column may mix a few


def to_unix_seconds(column: pl.Series, *, where: str) -> pl.Series:
    """Times as int64 Unix seconds UTC; parts of a second are cut off, times without a zone are UTC.

    Args:
        column: integers or floats (Unix seconds), ISO 8601 text, dates or datetimes; no nulls.
        where: file or table, for the message.

    Raises:
        DataError: another type, text that is no time, or a number too large for seconds.
    """
    kind = column.dtype
    if kind == pl.String:
        seconds = _of_text(column)
    elif kind == pl.Date or isinstance(kind, pl.Datetime):
        seconds = _of_datetimes(column)
    elif kind.is_integer() or kind.is_float():
        seconds = column.cast(pl.Float64).floor() if kind.is_float() else column
        seconds = seconds.cast(pl.Int64, strict=False)
    else:
        raise DataError(
            f"column {column.name!r} must hold times ({FORMS})",
            where=where,
            got=f"type {kind}",
            fix="map another column to timestamp, or convert it",
        )
    _refuse_unparsed(column, seconds, where)
    _refuse_implausible(seconds, column.name, where)
    return seconds


def _of_datetimes(column: pl.Series) -> pl.Series:
    """Whole seconds; polars rounds towards minus infinity here, as for numbers."""
    as_datetime = column.cast(pl.Datetime("us")) if column.dtype == pl.Date else column
    return as_datetime.dt.epoch("s").cast(pl.Int64)


def _of_text(column: pl.Series) -> pl.Series:
    """Numbers as text, else ISO 8601; null where it is neither."""
    number = column.str.contains(_INTEGER)
    if number.all():
        numbers = column.str.strip_chars().cast(pl.Float64, strict=False).floor()
        return numbers.cast(pl.Int64, strict=False)
    parsed = pl.Series(column.name, [None] * len(column), dtype=pl.Int64)
    text = pl.Series(column.name, column.str.strip_chars()).set(~column.str.contains(_ISO), None)
    for _ in range(_MAX_FORMATS):
        if not text.count():
            break
        found = _parse_one_format(text)
        if not found.count():
            break
        parsed = parsed.fill_null(found) if parsed.count() else found
        text = text.set(found.is_not_null(), None)
    return parsed


def _parse_one_format(text: pl.Series) -> pl.Series:
    """Seconds of the values that look like the first one that is not null."""
    try:
        times = text.str.to_datetime(strict=False, time_zone="UTC", time_unit="us")
    except pl.exceptions.ComputeError:  # the first value fits no format: nothing to learn from it
        return pl.Series(text.name, [None] * len(text), dtype=pl.Int64)
    return times.dt.epoch("s").cast(pl.Int64)


def _refuse_unparsed(column: pl.Series, seconds: pl.Series, where: str) -> None:
    failed = column.filter(seconds.is_null())
    if len(failed):
        raise DataError(
            f"column {column.name!r} must hold times ({FORMS})",
            where=where,
            got=f"{len(failed)} of {len(column)} rows that are none, e.g. {failed[0]!r}",
            fix="correct or drop these rows",
        )


def _refuse_implausible(seconds: pl.Series, name: str, where: str) -> None:
    late = seconds.filter(seconds > LATEST_PLAUSIBLE)
    if len(late):
        raise DataError(
            f"column {name!r} must hold times before the year 3000 in seconds",
            where=where,
            got=f"{len(late)} of {len(seconds)} rows after it, e.g. {late[0]}",
            fix="divide by 1000 if these are milliseconds",
        )
