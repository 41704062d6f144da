"""Expectations: what a snapshot must look like before anything learns from it.

A check is plain data: the name of a Great Expectations class and its arguments. Running them is the job of
`suite.py`, so reading a config never imports Great Expectations. `data/profile.py` knows the same rules by
the same names.
"""

import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from pydantic import Field, field_validator

from data.interactions import SECONDS_PER_DAY
from data.profile import ABSENT, ITEM_SCHEMA, MOMENT, Bounds
from data.tables import EVENT_SCHEMA, OPTIONAL
from models.recommender import Config
from validation.snapshot.verdict import Severity

EVENTS, ITEMS, FACTS, SCHEMA = "interactions", "items", "snapshot", "schema"


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation.

    Attributes:
        name: unique; what a config and a report call it.
        frame: which frame it looks at: EVENTS, ITEMS, FACTS or SCHEMA.
        table: where the report lists it.
        expectation: class in `great_expectations.expectations`.
        arguments: for it.
        expected: the rule in words.
        severity: whether a failure stops the flow.
        needs: columns of the frame without which it cannot run.
    """

    name: str
    frame: str
    table: str
    expectation: str
    arguments: Mapping[str, Any]
    expected: str
    severity: Severity = "critical"
    needs: tuple[str, ...] = field(default=())


class ValidationConfig(Config):
    """What a snapshot must look like."""

    earliest: date = Field(default=date(1990, 1, 1), description="No event is older (UTC).")
    latest: date | None = Field(default=None, description="None is newer (UTC); None: one day from now.")
    min_rows: int = Field(default=1, ge=1, description="Events that a snapshot must have.")
    max_age_days: float | None = Field(
        default=None, gt=0, description="Age that the newest event may have; None for historical data."
    )
    volume_low: float = Field(
        default=0.5, ge=0, le=1, description="Least events, relative to the last snapshot."
    )
    volume_high: float = Field(default=2.0, ge=1, description="Most events, relative to the last snapshot.")
    min_described: float = Field(default=0.9, ge=0, le=1, description="Share of items with any words.")
    full_rows: int = Field(
        default=20_000_000, ge=1, description="Past so many events a profile and a sample are validated."
    )
    sample_rows: int = Field(default=1_000_000, ge=1, description="Size of that sample.")
    max_offending_rows: int = Field(default=10_000, ge=1, description="Offending rows kept of each check.")
    severities: dict[str, Severity] = Field(
        default={}, description='Check name to "critical" (stops the flow) or "warning".'
    )

    @field_validator("severities")
    @classmethod
    def _are_of_checks(cls, severities: dict[str, Severity]) -> dict[str, Severity]:
        if unknown := sorted(set(severities) - CHECK_NAMES):
            raise ValueError(
                f"a check must be one of {', '.join(sorted(CHECK_NAMES))}, but got {unknown[0]!r}"
            )
        return severities

    def bounds(self, now: int) -> Bounds:
        """Plausible timestamps at the time `now` (Unix seconds)."""
        latest = (
            now + SECONDS_PER_DAY if self.latest is None else _midnight(self.latest) + SECONDS_PER_DAY - 1
        )
        return Bounds(_midnight(self.earliest), latest)


def checks_of(
    config: ValidationConfig, *, now: int, compared: bool, columns: Collection[str] = tuple(EVENT_SCHEMA)
) -> list[Check]:
    """All checks, in the order of the report.

    Args:
        config: their thresholds and severities.
        now: Unix seconds UTC.
        compared: whether there is a previous snapshot to compare volumes with.
        columns: of the interactions; an optional one that is not there is not checked.
    """
    rows = _events(config.bounds(now), [name for name in EVENT_SCHEMA if name in columns])
    here = (check for check in rows if not (set(check.needs) & set(OPTIONAL)) - set(columns))
    found = [*_schema(), *_facts(config, compared), *here, *_items()]
    return [replace(check, severity=config.severities.get(check.name, check.severity)) for check in found]


def from_profile(check: Check) -> Check:
    """The same rule, asked of the row of a profile that counted who breaks it."""
    return replace(
        check,
        expectation="ExpectColumnMaxToBeBetween",
        arguments={"column": check.name, "max_value": 0},
        needs=(check.name,),
    )


def _schema() -> Iterable[Check]:
    columns = [(EVENTS, name, dtype) for name, dtype in EVENT_SCHEMA.items()]
    columns += [(ITEMS, name, dtype) for name, dtype in ITEM_SCHEMA.items()]
    for table, name, dtype in columns:
        optional = table == EVENTS and name in OPTIONAL
        yield Check(
            name=f"{table}_{name}_type",
            frame=SCHEMA,
            table=table,
            expectation="ExpectColumnMostCommonValueToBeInSet",
            arguments={
                "column": f"{table}.{name}",
                "value_set": [str(dtype), *([ABSENT] if optional else [])],
            },
            expected=f"{name} is of type {dtype}" + (" where it is there" if optional else ""),
        )


def _facts(config: ValidationConfig, compared: bool) -> Iterable[Check]:
    yield _fact(
        "enough_rows", "n_interactions", config.min_rows, None, f"at least {config.min_rows:,} events"
    )
    if compared:
        low, high = config.volume_low, config.volume_high
        yield _fact(
            "volume",
            "rows_relative_to_previous",
            low,
            high,
            f"{low:g} to {high:g} times the events of the previous snapshot",
        )
    if (days := config.max_age_days) is not None:
        yield _fact(
            "freshness", "newest_age_days", None, days, f"the newest event is at most {days:g} days old"
        )
    share = config.min_described
    described = _fact(
        "items_described", "described", share, None, f"at least a share of {share:g} of the items has words"
    )
    yield replace(described, severity="warning")


def _events(bounds: Bounds, columns: list[str]) -> Iterable[Check]:
    null, length = "ColumnValuesToNotBeNull", "ColumnValueLengthsToBeBetween"
    for name in ("user_key", "item_key", "timestamp", "basket_key"):
        yield _rows(f"{name}_filled", name, null, {}, f"{name} is never null")
    for name in ("user_key", "item_key"):
        yield _rows(f"{name}_not_empty", name, length, {"min_value": 1}, f"{name} is never empty text")
    ends: dict[str, float] = {"min_value": bounds.earliest, "max_value": bounds.latest}
    words = f"time lies between {_day(bounds.earliest)} and {_day(bounds.latest)}"
    yield _rows("timestamp_in_range", "timestamp", "ColumnValuesToBeBetween", ends, words)
    weightless = _rows("weight_filled", "weight", null, {}, "weight is never null")
    yield replace(weightless, severity="warning")
    ends = {"min_value": 0, "max_value": sys.float_info.max}
    yield _rows(
        "weight_in_range", "weight", "ColumnValuesToBeBetween", ends, "weight is finite and at least 0"
    )
    true = {"value_set": [True]}
    yield _rows(
        "item_known", "item_known", "ColumnValuesToBeInSet", true, "the item table has every event's item"
    )
    words = "rows are in order of user, time, position"
    yield _rows("in_order", "in_order", "ColumnValuesToBeInSet", true, words)
    yield _distinct(
        "events_distinct", [name for name in columns if name != "position"], "no event is there twice"
    )
    moment = [name for name in columns if name in MOMENT]
    words = "no user has two events on one item in one second and basket"
    yield replace(_distinct("one_event_a_moment", moment, words), severity="warning")


def _items() -> Iterable[Check]:
    rules = [
        ("items_item_key_filled", "ColumnValuesToNotBeNull", {}, "item_key is never null"),
        (
            "items_item_key_not_empty",
            "ColumnValueLengthsToBeBetween",
            {"min_value": 1},
            "item_key is never empty",
        ),
        ("items_distinct", "ColumnValuesToBeUnique", {}, "each item has one row"),
    ]
    for name, expectation, arguments, expected in rules:
        yield _rows(name, "item_key", expectation, arguments, expected, table=ITEMS)


def _rows(
    name: str, column: str, expectation: str, arguments: dict[str, Any], expected: str, *, table: str = EVENTS
) -> Check:
    named = {"column": column}
    return Check(name, table, table, f"Expect{expectation}", named | arguments, expected, needs=(column,))


def _distinct(name: str, columns: list[str], expected: str) -> Check:
    arguments = {"column_list": columns}
    needs = ("user_key", "item_key", "timestamp")
    return Check(name, EVENTS, EVENTS, "ExpectCompoundColumnsToBeUnique", arguments, expected, needs=needs)


def _fact(name: str, column: str, low: float | None, high: float | None, expected: str) -> Check:
    ends = {"min_value": low, "max_value": high}
    return Check(name, FACTS, FACTS, "ExpectColumnMaxToBeBetween", {"column": column} | ends, expected)


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).date().isoformat()


CHECK_NAMES = {
    check.name
    for check in checks_of(ValidationConfig.model_construct(max_age_days=1.0), now=0, compared=True)
}
