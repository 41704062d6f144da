"""Table files: Parquet, CSV and TSV to frames, with one-line errors instead of a parser's."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from data.errors import DataError

SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read_table(
    path: Path, *, only: list[str] | None = None, as_text: list[str] | None = None
) -> pl.DataFrame:
    """One file, by its suffix.

    Args:
        path: .parquet, .csv or .tsv.
        only: columns to read; of CSV they are read as text. None for all, and where one of them is missing,
            all are read, so that a message can name them.
        as_text: further columns of CSV that are text whatever they look like.

    Raises:
        DataError: no such file, another suffix, or content that does not parse.
    """
    if path.suffix == ".parquet":
        return readable(path, lambda: _read_parquet(path, only))
    if path.suffix not in SEPARATORS:
        raise DataError(
            "a file must be .parquet, .csv or .tsv",
            where=str(path),
            got=path.suffix or "no suffix",
            fix="convert it",
        )
    separator = SEPARATORS[path.suffix]
    return readable(path, lambda: _read_csv(path, separator, only, as_text or []))


def readable(path: Path, read: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    """What `read` returns; an empty file is a frame without columns, any other trouble a `DataError`."""
    if not path.is_file():
        raise DataError(
            "the file must exist", where=str(path), got="none", fix="correct the path in [source]"
        )
    try:
        return read()
    except pl.exceptions.NoDataError:
        return pl.DataFrame()
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        raise DataError(
            "the file must be whole and of the kind that its suffix says",
            where=str(path),
            got=(str(error).splitlines() or [type(error).__name__])[0],
            fix="repair it or export it again",
        ) from error


def _read_parquet(path: Path, only: list[str] | None) -> pl.DataFrame:
    return pl.read_parquet(path, columns=_columns(only, list(pl.read_parquet_schema(path))))


def _read_csv(path: Path, separator: str, only: list[str] | None, as_text: list[str]) -> pl.DataFrame:
    """All columns are parsed even if few are kept: else polars takes rows with too many fields silently."""
    if only is not None:
        frame = pl.read_csv(path, separator=separator, infer_schema=False)
        return frame.select(_columns(only, frame.columns) or frame.columns)
    header = pl.read_csv(path, separator=separator, n_rows=0, infer_schema=False).columns
    text = {name: pl.String() for name in as_text if name in header}
    return pl.read_csv(path, separator=separator, schema_overrides=text, infer_schema_length=None)


def _columns(only: list[str] | None, present: list[str]) -> list[str] | None:
    if only is None or not set(only) <= set(present):
        return None
    return sorted(set(only), key=present.index)
