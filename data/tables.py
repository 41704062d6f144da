"""Tables: events and items as a source gave them, in one shape whatever the source was."""

from dataclasses import dataclass

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

EVENT_SCHEMA: dict[str, pl.DataType] = {
    "user_key": pl.String(),
    "item_key": pl.String(),
    "timestamp": pl.Int64(),
    "position": pl.Int64(),
    "basket_key": pl.String(),
    "event_type": pl.String(),
    "weight": pl.Float64(),
}
OPTIONAL = ("basket_key", "event_type", "weight")
"""Columns that a source may lack; the others are always there."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What happened and to which items, before it is snapshotted.

    Attributes:
        interactions: one event a row, in any order: `user_key` str, `item_key` str, `timestamp` int64 (Unix
            seconds UTC), `position` int64 (orders events of one user and second), and where the source has
            them `basket_key` str, `event_type` str, `weight` float64.
        items: one item a row: `item_key` str, unique, and the source's fields. Holds every item of
            `interactions`; items without events are welcome.
        text_fields: columns of `items` that describe it in words, most telling last.
        source: where the tables came from, for people; never holds a password.
    """

    interactions: pl.DataFrame
    items: pl.DataFrame
    text_fields: tuple[str, ...]
    source: str


class Columns(BaseModel):
    """What a source calls our columns; an unset optional column is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_key: str = Field(default="user_key", description="Text or integers.")
    item_key: str = Field(default="item_key", description="Text or integers.")
    timestamp: str = Field(
        default="timestamp",
        description="Unix seconds, ISO 8601 text or datetimes; UTC where no zone is given.",
    )
    position: str | None = Field(
        default=None, description="Integers that order events of one second; else the order of the rows."
    )
    basket_key: str | None = Field(default=None, description="Events bought or seen together share it.")
    event_type: str | None = Field(default=None, description="For example view or purchase.")
    weight: str | None = Field(default=None, description="A number, for example a quantity.")
    item_table_key: str | None = Field(
        default=None, description="The item table's key column, where it is not named like `item_key`."
    )

    def of_events(self) -> dict[str, str]:
        """Our name to the source's name, for the columns of the event table that are mapped."""
        names = {name: getattr(self, name) for name in EVENT_SCHEMA}
        return {name: column for name, column in names.items() if column is not None}

    @property
    def of_item_table(self) -> str:
        """The key column of the item table."""
        return self.item_table_key or self.item_key
