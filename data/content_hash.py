"""Content hash: SHA-256 of a frame's values, whatever library version or file format holds them.

Reads Arrow buffers as the Arrow specification lays them out, so it needs no sorting and no text form.
"""

import hashlib

import numpy as np
import polars as pl

_NESTED = (pl.List, pl.Array, pl.Struct)


def content_hash(frame: pl.DataFrame, *, leave_out: tuple[str, ...] = ()) -> str:
    """SHA-256 (hex) of column names, types and values, row order included.

    Args:
        frame: any number of rows; columns are hashed in the order of their names.
        leave_out: columns that do not count.
    """
    total = hashlib.sha256(str(frame.height).encode())
    for name in sorted(set(frame.columns) - set(leave_out)):
        column = _plain(frame[name])
        total.update(f"|{name}:{column.dtype}|".encode())
        total.update(_digest_of_values(column))
    return total.hexdigest()


def _plain(column: pl.Series) -> pl.Series:
    """The column as text, bytes or fixed-width numbers."""
    kind = column.dtype
    if kind in (pl.Categorical, pl.Enum) or kind.is_decimal():
        return column.cast(pl.String)
    if isinstance(kind, _NESTED):
        return column.to_frame().select(pl.struct(pl.all()).struct.json_encode()).to_series()
    if kind.is_temporal():
        microseconds = column.dt.cast_time_unit("us") if kind in (pl.Datetime, pl.Duration) else column
        return microseconds.to_physical().cast(pl.Int64)
    if kind == pl.Boolean:
        return column.cast(pl.UInt8)
    return column


def _digest_of_values(column: pl.Series) -> bytes:
    """SHA-256 of validity, lengths and bytes; null slots count as empty or zero."""
    total = hashlib.sha256()
    if column.null_count():
        total.update(column.is_not_null().to_numpy().astype(np.uint8).tobytes())
    if column.dtype in (pl.String, pl.Binary):
        _update_with_text(total, column.cast(pl.Binary).fill_null(b""))
    elif column.dtype != pl.Null:
        total.update(_little_endian(column.fill_null(0)))
    return total.digest()


def _update_with_text(total: "hashlib._Hash", column: pl.Series) -> None:
    """Lengths, then all bytes in a row: the layout of Arrow's LargeBinary."""
    total.update(_little_endian(column.bin.size().cast(pl.UInt32)))
    array = column.to_arrow(compat_level=pl.CompatLevel.oldest())
    if array.nbytes and len(array):
        _, offsets, content = array.buffers()
        bounds = np.frombuffer(offsets, dtype="<i8")[[array.offset, array.offset + len(array)]]
        if content is not None:
            total.update(memoryview(content)[bounds[0] : bounds[1]])


def _little_endian(column: pl.Series) -> bytes:
    values = column.to_numpy()
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
