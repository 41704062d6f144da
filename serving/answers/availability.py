"""Availability: what the shop says about its items today, beside their fields; by item key."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Availability:
    """Which items may not be in a list.

    Attributes:
        hidden: keys of items that are never returned.
        stock: of some items, whether they are in stock; this is believed before a column `in_stock`.
    """

    hidden: frozenset[str] = frozenset()
    stock: Mapping[str, bool] = field(default_factory=dict)
