"""Origins: which rows of a table were kept from an earlier one, and where they were measured."""

from collections.abc import Mapping
from typing import Any


def kept(found: Mapping[str, Any]) -> dict[str, list[str]]:
    """Origin in words to the rows of a data set that come from it."""
    origins: dict[str, list[str]] = {}
    for row in found["rows"]:
        for part, label in ((row, row["name"]), (row.get("refitted", {}), f"{row['name']} refitted")):
            if "kept" in part:
                origins.setdefault(_in_words(part["made"]), []).append(label)
    cold = found["cold"] or {}
    for name in cold.get("kept", ()):
        origins.setdefault(_in_words(cold["made"][name]), []).append(f"{name} on cold items")
    return origins


def _in_words(made: list[dict[str, Any]]) -> str:
    """Day, commit, code and machine; several where the fits of a row were made in several places."""
    return " / ".join(map(_one, made))


def _one(made: Mapping[str, Any]) -> str:
    machine = made["machine"]
    code = f"commit {made['commit']}, code {made['code']}"
    where = f"{machine['processor']}, threads: {machine['threads']}, torch {machine['torch']}"
    if made.get("of") == "table":
        return f"a table rendered at {code}; {where}; the rows' own day and commit were not recorded"
    return f"{made['date']}, {code}; {where}"
