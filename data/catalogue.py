"""Catalogue: the items that can be recommended, their keys and their fields."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.datatypes import DataType, DataTypeClass

from data.interactions import Ints


@dataclass(frozen=True)
class Catalogue:
    """I items; row i of `frame` describes the item with dense id i.

    Attributes:
        frame: `item_key` (str, unique) and whatever text, categorical and number fields the source has.
        text_fields: columns that describe the item in words, most telling last.
    """

    frame: pl.DataFrame
    text_fields: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of items I."""
        return self.frame.height

    @cached_property
    def keys(self) -> list[str]:
        """External id of each item, by dense id."""
        return self.frame["item_key"].to_list()

    @cached_property
    def id_of(self) -> dict[str, int]:
        """Dense id of each key."""
        return {key: i for i, key in enumerate(self.keys)}

    def ids(self, keys: list[str]) -> Ints:
        """Dense ids of `keys`: int64 [len(keys)], -1 for a key that is not in the catalogue."""
        return np.array([self.id_of.get(key, -1) for key in keys], dtype=np.int64)

    def having(self, field: str, values: Sequence[str]) -> NDArray[np.bool_]:
        """Items whose `field` is one of `values`, as text, or holds one where it is a list: bool [I]."""
        column = self.frame[field]
        if isinstance(column.dtype, pl.Array):
            column = column.arr.to_list()
        if isinstance(column.dtype, pl.List):
            inner = pl.element().cast(pl.String).is_in(list(values))
            column = column.list.eval(inner).list.any()
        else:
            column = column.cast(pl.String).is_in(list(values))
        return column.fill_null(value=False).to_numpy()

    @cached_property
    def titles(self) -> list[str]:
        """What a person reads: the last two filled text fields, else the key."""
        rows = zip(*(self._spoken[name].to_list() for name in self.text_fields), strict=True)
        words = [[str(value) for value in row if value] for row in rows]
        if not words:
            return self.keys
        pairs = zip(words, self.keys, strict=True)
        return [", ".join(dict.fromkeys(row[-2:])) or key for row, key in pairs]

    @cached_property
    def texts(self) -> list[str]:
        """All filled text fields of each item in one line; empty where nothing is known."""
        if not self.text_fields:
            return [""] * len(self)
        columns = [pl.col(name).cast(pl.String).fill_null("") for name in self.text_fields]
        joined = self._spoken.select(pl.concat_str(columns, separator=" ").str.strip_chars())
        return joined.to_series().to_list()

    @cached_property
    def _spoken(self) -> pl.DataFrame:
        """The text fields, lists as their words in a row."""
        schema = self.frame.schema
        return self.frame.select(_in_words(pl.col(name), schema[name]) for name in self.text_fields)


def _in_words(values: pl.Expr, kind: DataType | DataTypeClass) -> pl.Expr:
    """Lists, also lists of lists, as text; anything else as it is."""
    if isinstance(kind, pl.Array):
        values = values.arr.to_list()
    if isinstance(kind, pl.List | pl.Array):
        inner = _in_words(pl.element(), kind.inner).cast(pl.String)
        return values.list.eval(inner).list.join(" ", ignore_nulls=True)
    return values
