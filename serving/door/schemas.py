"""Schemas: what a request may say and what an answer says; knows no model and no server."""

from collections.abc import Sequence
from itertools import groupby, pairwise
from reprlib import Repr
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

MAX_EVENTS = 10_000
MAX_REQUESTS = 256
MAX_FILTERS = 16
MAX_PROBLEMS = 1000

_KEY = {"anyOf": [{"type": "string", "minLength": 1, "maxLength": 512}, {"type": "number"}]}
Key = Annotated[str, Field(min_length=1, max_length=512), WithJsonSchema(_KEY, mode="validation")]
Keys = Annotated[list[Key], Field(max_length=MAX_EVENTS, fail_fast=True)]
Second = Annotated[int, Field(ge=-(2**62), le=2**62)]


class Wire(BaseModel):
    """Frozen; an unknown field is an error; a number where a key is meant becomes its digits."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


class ListRules(Wire):
    """How long a list is and which items may be in it."""

    k: int = Field(default=10, ge=1, le=100, strict=True, description="Length of the list.")
    exclude: Keys = Field(default=[], description="Item keys that may not be in the list.")
    allow: Keys | None = Field(
        default=None, description="The only item keys that may be in the list; all where it is left out."
    )
    filters: dict[Key, Keys] = Field(
        default={},
        max_length=MAX_FILTERS,
        description="By field of the items, the values of which an item must have one; see /info.",
        json_schema_extra={"example": {"department": ["GROCERY"]}},
    )
    in_stock: bool = Field(
        default=False, strict=True, description="Whether items out of stock are barred from the list."
    )

    @field_validator("allow")
    @classmethod
    def _allows_something(cls, allow: list[str] | None) -> list[str] | None:
        if allow == []:
            raise ValueError("it must name an item, but got []: leave it out to allow the whole catalogue.")
        return allow

    @field_validator("filters")
    @classmethod
    def _leaves_something(cls, filters: dict[str, list[str]]) -> dict[str, list[str]]:
        for field, values in filters.items():
            if not values:
                raise ValueError(f"{field} must name a value, but got []: leave the field out.")
        return filters


class RecommendRequest(ListRules):
    """One question: a history or a user, and what may be in the list.

    Refused are: both or neither of `history` and `user`, parallel lists of other lengths, times that go back,
    a basket that is opened twice, `k` out of range, unknown fields.
    """

    history: Keys | None = Field(
        default=None,
        description="Item keys, oldest first. May be empty. Give this or `user`.",
        json_schema_extra={"example": ["1082185", "995242"]},
    )
    timestamps: list[Second] | None = Field(
        default=None,
        description="Unix seconds of each event of `history`, not decreasing.",
        max_length=MAX_EVENTS,
        fail_fast=True,
    )
    baskets: Keys | None = Field(
        default=None, description="Basket of each event of `history`; events of one basket are neighbours."
    )
    user: Key | None = Field(
        default=None, description="User key; one that is not known gets the list for an unknown user."
    )
    exclude_seen: bool = Field(
        default=False, strict=True, description="Whether items of the history are barred from the list."
    )
    diversity: float = Field(
        default=0.0,
        ge=0,
        le=1,
        strict=True,
        allow_inf_nan=False,
        description="0: by score alone. Towards 1: the more an item is like those above it, the lower.",
    )
    explain: bool = Field(default=False, strict=True, description="Whether each item says why it is there.")

    @model_validator(mode="after")
    def _asks_one_question(self) -> Self:
        if (self.history is None) == (self.user is None):
            came = "neither" if self.user is None else "both"
            raise ValueError(f"give either history or user, but got {came}: send exactly one of the two.")
        return self

    @model_validator(mode="after")
    def _is_parallel(self) -> Self:
        n_events = len(self.history or [])
        for name, values in (("timestamps", self.timestamps), ("baskets", self.baskets)):
            if values is not None and len(values) != n_events:
                raise ValueError(
                    f"{name} must have one entry for each of the {n_events} events of history, but got "
                    f"{len(values)}: send lists of one length, or leave {name} out."
                )
        return self

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        for earlier, later in pairwise(self.timestamps or []):
            if later < earlier:
                raise ValueError(
                    f"timestamps must not decrease, but got {later} after {earlier}: send the oldest first."
                )
        seen: set[str] = set()
        for basket, _ in groupby(self.baskets or []):
            if basket in seen:
                raise ValueError(
                    f"events of one basket must be neighbours, but basket {basket!r} is opened twice: "
                    "sort the history by time, then basket."
                )
            seen.add(basket)
        return self


class RecommendManyRequest(Wire):
    """Several questions that are answered together; the answers are those of one by one."""

    requests: list[RecommendRequest] = Field(min_length=1, max_length=MAX_REQUESTS, fail_fast=True)


class SimilarRequest(ListRules):
    """What is like an item; the item itself is never in the list."""

    item: Key = Field(description="Item key.", json_schema_extra={"example": "1082185"})


class CompleteRequest(ListRules):
    """What belongs to a basket; its own items are never in the list."""

    basket: Keys = Field(
        min_length=1, description="Item keys, in any order.", json_schema_extra={"example": ["1082185"]}
    )


class RevertRequest(Wire):
    """Give the challenger up."""

    reason: str = Field(min_length=1, max_length=1000, description="One line for people, shown on /info.")


Source = Literal["generative", "counts", "repeats", "content", "together", "trending"]
Fallback = Literal["unknown-user", "empty-history", "unknown-items", "time-out", "no-basket"]


class Near(Wire):
    """An item of the history that is like a listed one."""

    item: str
    title: str
    similarity: float = Field(description="Cosine of the content vectors.")


class Explanation(Wire):
    """Why an item is in a list."""

    codes: list[int] = Field(description="Semantic ID, coarse to fine; the last code tells twins apart.")
    sharing: list[int] = Field(description="Items that share the codes up to each level, itself included.")
    because: Near | None = Field(description="The other item of the history that is most like it.")


class RecommendedItem(Wire):
    """One line of a list."""

    item: str = Field(description="Item key.")
    title: str
    score: float = Field(description="Comparable within one list and source only.")
    rank: int = Field(description="0 is the best.")
    source: Source = Field(
        description="repeats: of the history; generative: spelled by the model; counts: by a counting model; "
        "content: by its description; together: from common baskets; trending: what all buy lately."
    )
    explanation: Explanation | None = Field(default=None, description="Where it was asked for.")


class Lineage(Wire):
    """Where an answer comes from."""

    bento: str | None = Field(description="Tag of the Bento; null when served from a checkout.")
    run_id: str | None
    snapshot: str | None
    generation: str | None = Field(description="Semantic-ID vocabulary.")
    family: str
    bundle: str = Field(description="SHA-256 of the bundle.")


class RecommendResponse(Wire):
    """One list, best first, shorter than k only if fewer items are allowed."""

    items: list[RecommendedItem]
    lineage: Lineage
    ignored: list[str] = Field(description="Keys of the request that the catalogue does not have.")
    notice: str | None = Field(description="What the caller should know about this answer.")
    fallback: Fallback | None = Field(
        default=None, description="Why this is not the model's answer to a known history; null where it is."
    )
    catalogue: int = Field(default=0, description="Version of the catalogue; 0 is the bundle's own.")
    id: str | None = Field(default=None, description="For `encore trace`; null where answers are not kept.")
    arm: Literal["champion", "challenger"] | None = Field(
        default=None, description="Which model of a trial answered; null where none is on trial."
    )


class RecommendManyResponse(Wire):
    """The answers, in the order of the requests."""

    answers: list[RecommendResponse]


def explain(error: ValidationError, *, shows_value: bool = True) -> str:
    """One line for people: the rule, what came, what to do; the first problem and how many more.

    Args:
        error: what pydantic found.
        shows_value: whether what came is repeated; not where it could be a secret.
    """
    if error.error_count() > MAX_PROBLEMS:  # to list them all would stop every other request for a second
        return f"body: {error.error_count()} problems: correct them, /docs.json shows the body."
    first, *others = error.errors(include_url=False)
    more = f" (and {len(others)} more)" if others else ""
    value = first["input"] if shows_value else Ellipsis
    return _sentence(first["type"], first["loc"], first["msg"], value) + more


def _sentence(kind: str, location: Sequence[int | str], message: str, value: Any) -> str:
    where = ".".join(_name(part) for part in location)
    if kind == "json_invalid":
        return f'the body must be JSON, but got {message}: send an object such as {{"history": [], "k": 10}}.'
    if kind == "value_error":
        text = message.removeprefix("Value error, ")
        return f"{where}: {text}" if where else text
    if kind == "extra_forbidden":
        return f"{where}: no such field, but got {_short(value)}: see /docs.json for the fields."
    rule = message[:1].lower() + message[1:]
    return f"{where or 'body'}: {rule}, but got {_short(value)}: correct it, /docs.json shows the body."


def _name(part: int | str) -> str:
    """A field as it was sent, in one short line."""
    text = str(part)
    return text if text.isprintable() and len(text) <= 60 else _short(text)


_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


def _short(value: Any) -> str:
    """A value as people see it, without making all of a long one into text."""
    try:
        text = _SHORT.repr(value)
    except ValueError:  # Python makes no text of a number with thousands of digits
        text = "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."
