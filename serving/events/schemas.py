"""Event schemas: what a caller tells of its users, and what it is told back."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from serving.door.schemas import Key, Wire

MAX_BODY_EVENTS = 1_000
"""Reading more at once would keep other requests waiting."""
LEFT = (
    "bundles and snapshots made before hold this user until the next retraining; the history in the served "
    "bundle is not used any more."
)


def _writable(key: str) -> str:
    if "\0" in key:
        raise ValueError("no key may hold the character U+0000, but this one does: leave it out.")
    return key


Name = Annotated[Key, AfterValidator(_writable)]


class FeedbackEvent(Wire):
    """One thing that a user did."""

    event_key: Name = Field(
        description="Chosen by you, one for each event: telling an event twice keeps it once.",
        json_schema_extra={"example": "order-4711-line-1"},
    )
    user: Name
    item: Name = Field(description="It may be new to the catalogue.")
    kind: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_writable)] = Field(
        description="Such as view, cart, purchase.", json_schema_extra={"example": "purchase"}
    )
    timestamp: int | None = Field(
        default=None, ge=0, le=2**62, description="Unix seconds UTC; left out: now."
    )
    basket: Name | None = Field(default=None, description="Order or session; its events share it.")
    answer: Name | None = Field(default=None, description="`id` of the answer in which the item was shown.")


class EventsRequest(Wire):
    """Events that are kept together or not at all; one may also be sent alone, without the list around it."""

    events: list[FeedbackEvent] = Field(min_length=1, max_length=MAX_BODY_EVENTS)

    @model_validator(mode="before")
    @classmethod
    def _one_alone(cls, sent: Any) -> Any:
        return {"events": [sent]} if isinstance(sent, dict) and "event_key" in sent else sent


class EventsResponse(Wire):
    """What became of events; all of them are on disk."""

    new: int = Field(description="Were not there before.")
    known: int = Field(description="Were there already, with the same content.")
    forgotten: int = Field(description="Not kept, because they were deleted on request before.")
    unknown_items: list[str] = Field(
        description="Items of the events that the catalogue does not have; their events are kept."
    )


class ForgottenResponse(Wire):
    """What was deleted of a user."""

    events: int = Field(description="Events that were deleted.")
    answers: int = Field(description="Kept answers that were deleted.")
    forgotten_at: int = Field(description="Unix seconds UTC; what is told to be older is not taken again.")
    notice: str = Field(description="What is left elsewhere.")
