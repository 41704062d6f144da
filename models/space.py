"""Search spaces: what a tuner may try for a setting. Knows no tuner."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Float:
    """A number in [low, high]; `log` samples its logarithm uniformly."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True, slots=True)
class Int:
    """An integer in [low, high]."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values."""

    values: tuple[str | int | float | bool, ...]


Dimension = Float | Int | Choice
