"""Schedule config: when a retraining starts without anybody, and what somebody is told about."""

from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from models.recommender import Config

Alarm = Literal["failed", "refused", "promoted", "alert", "overdue"]
ALARMS: dict[Alarm, str] = {
    "failed": "a run ended with an error or its process died",
    "refused": "the gate or the proof turned a challenger down",
    "promoted": "another model answers from now on",
    "alert": "the data moved so far that a person should look",
    "overdue": "no run ended well for `overdue_hours`",
}


class ScheduleConfig(Config):
    """By clock (`cron` or `every_minutes`), and by what is new (`watch_minutes`)."""

    cron: str | None = Field(default=None, description="Minute, hour, day, month, weekday.")
    every_minutes: float | None = Field(default=None, gt=0, description="Instead of cron.")
    timezone: str = Field(default="UTC", description="Of cron, such as Europe/Rome.")
    catch_up: Literal["latest", "none", "all"] = Field(
        default="latest", description="Of the runs that came due while nobody could run them."
    )
    watch_minutes: float | None = Field(
        default=None, gt=0, description="How often to look for new data and for drift; None: by clock only."
    )
    new_events: int = Field(
        default=1, ge=1, description="Events, since the last retraining, that are worth another."
    )
    alarms: tuple[Alarm, ...] = Field(
        default=("failed", "refused", "alert", "overdue"),
        description="What is told to the addresses in $ENCORE_ALARMS: " + "; ".join(ALARMS) + ".",
    )
    overdue_hours: float = Field(default=48.0, ge=0.003, description="Hours without a run that ended well.")

    @field_validator("timezone")
    @classmethod
    def _is_a_place(cls, timezone: str) -> str:
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"timezone must be an IANA name, such as UTC, but got {timezone!r}") from None
        return timezone

    @model_validator(mode="after")
    def _one_clock(self) -> Self:
        if self.cron is not None and self.every_minutes is not None:
            raise ValueError("give cron or every_minutes, not both")
        return self
