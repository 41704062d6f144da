"""RecBole source: a folder of atomic files, tab-separated with the type of each column in the header.

Format: https://recbole.io/atomic_files.html. Types: token, token_seq (words divided by spaces), float,
float_seq.
"""

from pathlib import Path

import polars as pl

from data.errors import DataError
from data.normalise import normalise
from data.sources.config import RecBoleConfig
from data.sources.table_files import readable
from data.tables import Tables

_TYPES: dict[str, pl.DataType] = {
    "token": pl.String(),
    "token_seq": pl.String(),
    "float": pl.Float64(),
    "float_seq": pl.String(),
}
_TEXT_TYPES = ("token", "token_seq")


def load(config: RecBoleConfig) -> Tables:
    """The one `.inter` and the one `.item` file of the folder.

    Raises:
        DataError: a file is missing, a header has no types, or a rule is broken (see `data.normalise`).
    """
    inter, item = _file(config.path, ".inter"), _file(config.path, ".item")
    events, _ = _read(inter)
    items, item_types = _read(item)
    key = config.columns.of_item_table
    words = tuple(name for name, kind in item_types.items() if kind in _TEXT_TYPES and name != key)
    return normalise(
        events,
        items,
        config.columns,
        text_fields=words if config.text_fields is None else config.text_fields,
        source=f"{inter.name} and {item.name}",
        events_from=str(inter),
        items_from=str(item),
    )


def _file(folder: Path, suffix: str) -> Path:
    found = sorted(folder.glob(f"*{suffix}"))
    if len(found) != 1:
        raise DataError(
            f"a RecBole folder must hold one {suffix} file",
            where=str(folder),
            got=", ".join(file.name for file in found) or "none",
            fix="give the folder of one data set",
        )
    return found[0]


def _read(file: Path) -> tuple[pl.DataFrame, dict[str, str]]:
    """The table and the RecBole type of each column."""
    raw = readable(file, lambda: _read_text(file))
    types = {name: name.rpartition(":") for name in raw.columns}
    untyped = [name for name, (_, colon, kind) in types.items() if not colon or kind not in _TYPES]
    if untyped:
        raise DataError(
            f"each column of the header must be name:type, the type one of {', '.join(_TYPES)}",
            where=str(file),
            got=repr(untyped[0]),
            fix="write for example user_id:token",
        )
    columns = [_typed(raw[header], name, kind, file) for header, (name, _, kind) in types.items()]
    return pl.DataFrame(columns), {name: kind for name, _, kind in types.values()}


def _read_text(file: Path) -> pl.DataFrame:
    """All columns as text; quotes are part of the words, as in most published files."""
    return pl.read_csv(file, separator="\t", infer_schema=False, quote_char=None)


def _typed(column: pl.Series, name: str, kind: str, file: Path) -> pl.Series:
    numbers = column.cast(_TYPES[kind], strict=False)
    failed = column.filter(numbers.is_null() & column.is_not_null())
    if len(failed):
        raise DataError(
            f"column {column.name!r} must hold numbers",
            where=str(file),
            got=f"{len(failed)} of {len(column)} rows that are none, e.g. {failed[0]!r}",
            fix="correct these rows, or the type in the header",
        )
    return numbers.alias(name)
