"""Coordinate search: the best value of a few settings, one setting after the other.

For settings that cost no training, such as the weights of a fusion, on validation data.
"""

from collections.abc import Callable, Mapping
from typing import Any

Settings = dict[str, Any]


def coordinate_search(
    start: Settings, grid: Mapping[str, tuple[Any, ...]], score: Callable[[Settings], float], *, rounds: int
) -> Settings:
    """Best settings found; every value is tried beside the best of the others, `rounds` times over.

    Stops early once a round changes nothing. Ties keep the earlier value. No settings are scored twice.

    >>> peak = lambda s: -(s["a"] - 2) ** 2 - (s["b"] - s["a"]) ** 2
    >>> coordinate_search({"a": 0, "b": 0}, {"a": (0, 1, 2), "b": (0, 1, 2)}, peak, rounds=5)
    {'a': 1, 'b': 1}
    """
    known: dict[tuple[Any, ...], float] = {}

    def value(settings: Settings) -> float:
        key = tuple(settings.values())
        if key not in known:
            known[key] = score(settings)
        return known[key]

    best = dict(start)
    for _ in range(rounds):
        before = dict(best)
        for name, values in grid.items():
            for choice in values:
                tried = best | {name: choice}
                if value(tried) > value(best):
                    best = tried
        if best == before:
            break
    return best
