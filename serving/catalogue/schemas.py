"""Schemas of the live catalogue: what a change may say; knows no model and no server."""

from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, field_validator, model_validator

from serving.door.schemas import Key, Wire

MAX_ITEMS = 20_000
MAX_FIELDS = 200

Finite = Annotated[StrictFloat, Field(allow_inf_nan=False)]
Plain = Annotated[StrictStr | StrictBool | StrictInt | Finite | None, Field(union_mode="left_to_right")]
Value = Annotated[Plain | list[Plain | list[Plain]], Field(union_mode="left_to_right")]
Fields = Annotated[dict[str, Value], Field(max_length=MAX_FIELDS)]
Kept = Literal["disk", "memory"]


class ItemChange(Wire):
    """What is to change about one item; what is left out stays."""

    item: Key = Field(description="Item key; one that the catalogue does not have is added.")
    fields: Fields | None = Field(
        default=None,
        description="Columns of the catalogue and their new values; null empties one. A new item needs one.",
        json_schema_extra={"example": {"title": "Oat milk 1 l", "brand": "Ada"}},
    )
    hidden: bool | None = Field(
        default=None, strict=True, description="A hidden item is never in a list; it may be in a history."
    )
    in_stock: bool | None = Field(
        default=None, strict=True, description="For requests that want items in stock only."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.fields and self.hidden is None and self.in_stock is None:
            raise ValueError(
                f"item {self.item!r} must change, but got nothing about it: send fields, hidden or in_stock."
            )
        return self


class CatalogueChange(Wire):
    """Items that are added or changed together: all of them or, where one is refused, none."""

    items: list[ItemChange] = Field(min_length=1, max_length=MAX_ITEMS, fail_fast=True)

    @field_validator("items")
    @classmethod
    def _names_each_item_once(cls, items: list[ItemChange]) -> list[ItemChange]:
        seen: set[str] = set()
        for each in items:
            if each.item in seen:
                raise ValueError(
                    f"an item may come once in a change, but {each.item!r} comes again: send what is said "
                    "about it together."
                )
            seen.add(each.item)
        return items


class CatalogueRevert(Wire):
    """Go back to an earlier version."""

    to: int | None = Field(
        default=None, ge=0, strict=True, description="Its number; left out, the one before the present one."
    )


class Act(Wire):
    """One line of the history."""

    version: int
    digest: str = Field(description="Of the content; equal contents of one bundle have equal digests.")
    at: float = Field(description="Unix seconds UTC.")
    what: Literal["bundle", "change", "revert"]
    to: int | None = Field(default=None, description="The version that a revert went back to.")
    items: int = Field(default=0, description="Items that a change named.")


class ArmState(Wire):
    """What one model made of the catalogue."""

    items: int = Field(description="That it can recommend, the hidden ones not taken off.")
    left_out: int = Field(description="New items that this model cannot take on.")
    reason: str | None = Field(description="Why not; null where none was left out.")


class CatalogueState(Wire):
    """The catalogue as it is now."""

    version: int
    digest: str
    items: int = Field(description="Of the champion, the hidden ones not taken off.")
    added: int = Field(description="Items that its bundle does not have.")
    changed: int = Field(description="Items of its bundle whose fields were changed.")
    hidden: int
    out_of_stock: int = Field(description="Of which a change said so; a column of the items may say more.")
    kept: Kept = Field(description="memory: changes are lost with the process; set ENCORE_CATALOGUE.")
    arms: dict[str, ArmState]
    history: list[Act] = Field(description="Newest last; these are the versions that a revert can go to.")
