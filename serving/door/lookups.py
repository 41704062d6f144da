"""Lookups: what the small calls answer: what is served, what is on trial, items and errors."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving.door.schemas import Lineage, Near, RecommendResponse, Wire


class Problem(Wire):
    """Why there is no answer."""

    error: str = Field(description="One line: the rule, what came, what to do.")
    id: str | None = Field(default=None, description="Of the request in the log, where the service failed.")


class FoundItem(Wire):
    """An item that was looked up."""

    item: str = Field(description="Item key.")
    title: str


class ItemInfo(Wire):
    """What is known of an item."""

    item: str = Field(description="Item key.")
    title: str
    fields: dict[str, Any] = Field(description="Of the catalogue.")
    codes: list[int] | None = Field(description="Semantic ID; null where the model has none.")
    sharing: list[int] | None = Field(description="Items that share the codes up to each level.")
    neighbours: list[Near] = Field(description="Most alike by content, nearest first.")


class Comparison(Wire):
    """What both models answer to one question."""

    champion: RecommendResponse
    challenger: RecommendResponse


class Reverted(Wire):
    """Why and when a challenger was given up."""

    rule: str
    reason: str
    when: float = Field(description="Unix seconds.")


class TrialInfo(Wire):
    """What is on trial, and what became of it."""

    mode: Literal["shadow", "canary"]
    share: float
    k: int
    challenger: Lineage | None = Field(description="null where it could not be loaded.")
    counts: dict[str, int]
    reverted: Reverted | None


class Info(BaseModel):
    """What is served; may say more."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Any]

    lineage: Lineage
    n_items: int
    n_users: int
    fields: list[str] = Field(description="What `filters` may name.")
    numbers: list[str] = Field(description="Columns of the items that hold numbers.")
    explains: bool = Field(description="Whether `explain` is answered.")
    catalogue: int = Field(description="Version of the catalogue; 0 is the bundle's own.")
    trial: TrialInfo | None
