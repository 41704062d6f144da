"""Catalogue: the items that can be recommended, their keys and their fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars.datatypes import DataType, DataTypeClass

from data.interactions import Ints

KEY = "item_key"


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
    def titles(self) -> pl.Series:
        """What a person reads: the last two filled text fields, else the key.

        A series: a list of a million texts takes three times its memory.
        """
        spoken = self.frame.select(KEY).with_columns(self._spoken)
        last, before = pl.lit(None, dtype=pl.String), pl.lit(None, dtype=pl.String)
        for name in self.text_fields:
            words = pl.col(name).cast(pl.String).replace("", None)
            last, before = pl.coalesce(words, last), pl.when(words.is_null()).then(before).otherwise(last)
        both = pl.when(before != last).then(pl.concat_str(before, last, separator=", "))
        return spoken.select(pl.coalesce(both, last, KEY).alias("")).to_series()

    @cached_property
    def texts(self) -> list[str]:
        """All filled text fields of each item in one line; empty where nothing is known."""
        if not self.text_fields:
            return [""] * len(self)
        columns = [pl.col(name).cast(pl.String).fill_null("") for name in self.text_fields]
        joined = self._spoken.select(pl.concat_str(columns, separator=" ").str.strip_chars())
        return joined.to_series().to_list()

    @property
    def fields(self) -> list[str]:
        """Columns that describe an item, without its key."""
        return [name for name in self.frame.columns if name != KEY]

    @property
    def number_fields(self) -> list[str]:
        """Those of `fields` that hold numbers."""
        return [name for name in self.fields if self.frame.schema[name].is_numeric()]

    def since(self, first: int) -> Self:
        """The items from dense id `first` on, as a catalogue of their own."""
        return replace(self, frame=self.frame[first:])

    def with_fields(self, fields: Mapping[str, Mapping[str, Any]]) -> Self:
        """The catalogue with some fields of some items changed and with new items after the others.

        Args:
            fields: of each item key the fields that change, plain JSON values. A key that is new is added, in
                the order given; what is not said about it is null.

        Raises:
            ValueError: a field that is no column, or a value that the column cannot hold.
        """
        if not fields:
            return self
        self.check_fields(fields)
        places = self.ids(list(fields))
        old = zip(places[places >= 0].tolist(), self.frame[places[places >= 0]].to_dicts(), strict=True)
        rows_now = dict(old)
        blank = dict.fromkeys(self.frame.columns)
        rows = [
            {**rows_now.get(place, blank), KEY: key, **given}
            for place, (key, given) in zip(places.tolist(), fields.items(), strict=True)
        ]
        changed = pl.DataFrame([_column(name, kind, rows) for name, kind in self.frame.schema.items()])
        n_items, row = len(self), len(self) + np.arange(len(rows))
        order = np.arange(n_items + int((places < 0).sum()))
        order[places[places >= 0]] = row[places >= 0]
        order[n_items:] = row[places < 0]
        frame = pl.concat([self.frame, changed], how="vertical_relaxed")[order]
        return self._continued(replace(self, frame=frame), changed, order)

    def _continued(self, then: Self, changed: pl.DataFrame, order: Ints) -> Self:
        """`then` with what is known of the items that are not changed: seconds for a million of them.

        Args:
            then: the catalogue that comes after this one.
            changed: rows that are new or other than before.
            order: int64 [len(then)], row of each item among those of this catalogue and then `changed`.
        """
        new = then.frame[KEY][len(self) :].to_list()
        then.__dict__["keys"] = self.keys + new
        then.__dict__["id_of"] = self.id_of | {key: i for i, key in enumerate(new, len(self))}
        titled = replace(self, frame=changed).titles
        then.__dict__["titles"] = pl.concat([self.titles, titled])[order]
        return then

    def check_fields(self, fields: Mapping[str, Mapping[str, Any]]) -> None:
        """Refuse fields that are no columns.

        Raises:
            ValueError: there is one.
        """
        columns = frozenset(self.fields)
        for key, given in fields.items():
            for name in given.keys() - columns:
                raise ValueError(
                    f"fields must be columns of the catalogue ({', '.join(self.fields)}), but item {key!r} "
                    f"has {name!r}: correct its name, or retrain with a source that has the column."
                )

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


def _column(name: str, kind: DataType, rows: list[dict[str, Any]]) -> pl.Series:
    """One column of rows; a column that never had a value takes the type of those that come."""
    dtype = None if kind == pl.Null else kind
    values = [row[name] for row in rows]
    try:
        return pl.Series(name, values, dtype=dtype, strict=True)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        for row in rows:
            try:
                pl.Series(name, [row[name]], dtype=dtype, strict=True)
            except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
                raise ValueError(
                    f"field {name!r} holds {kind}, but item {row[KEY]!r} has {row[name]!r}: send a value of "
                    "that type, or null."
                ) from error
        raise
