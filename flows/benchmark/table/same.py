"""Same: whether two results were made alike, so that their rows may stand in one table; if not, why."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flows.benchmark.config import ABLATION

SHARED = ("seed", "threads", "metric", "validation_users", "tune_on", "filters", "tuning")
"""Settings that every row depends on; those of a family or an item encoder only void its own rows."""
Json = Mapping[str, Any]


def of_settings(now: Json, then: Json) -> Iterator[str]:
    """What differs of two configs for every row."""
    for key in SHARED:
        yield from differs(f"setting {key}", now.get(key), then.get(key))


def of_protocols(measured: Sequence[Json], then: Json) -> Iterator[str]:
    """What differs between any protocol of now and the earlier one of the same table."""
    found = (
        line
        for protocol in measured
        for table in sorted(protocol.keys() & then.keys())
        for line in differs(f"protocol, {table}", protocol[table], then[table])
    )
    yield from dict.fromkeys(found)


def of_profiles(now: Json, then: Json) -> Iterator[str]:
    """What differs of the data: the snapshot's digest and what papers count."""
    for key in sorted(now.keys() | then.keys()):
        yield from differs(f"data, {key}", now.get(key), then.get(key))


def of_row(name: str, now: Json, then: Json) -> Iterator[str]:
    """What differs of the settings that a row is made with.

    Args:
        name: such as "encore" or "encore/no-codes".
        now: the config of now.
        then: that of the earlier result.
    """
    parent, _, change = name.partition(ABLATION)
    if parent not in now["families"]:
        yield "the config no longer has it"
        return
    yield from differs(f"settings of {parent}", now["families"][parent], then["families"].get(parent))
    yield from differs("vectors and codes", _items(now, parent), _items(then, parent))
    if change:
        mine, theirs = (config["ablations"].get(parent, {}) for config in (now, then))
        if change not in mine:
            yield "the config no longer has it"
        else:
            yield from differs("the ablation", mine[change], theirs.get(change))


def of_cold(now: Json, then: Json, table: Json, earlier: Json) -> Iterator[str]:
    """What differs of two tables of held-out items, after their configs: the baseline and what was drawn."""
    yield from differs("setting cold.decay", now["cold"]["decay"], then["cold"]["decay"])
    for key in ("share", "items", "users"):
        yield from differs(key, table[key], earlier[key])


def differs(what: str, now: Any, then: Any) -> Iterator[str]:
    """A line if two values are not equal.

    >>> list(differs("threads", 2, 1))
    ['threads was 1 and is 2']
    """
    if now != then:
        yield f"{what} was {then} and is {now}"


def _items(config: Json, family: str) -> list[Any]:
    """Encoder and tokenizer of a family's items."""
    own = config["items"].get(config["families"].get(family, {}).get("items", ""), {})
    return [own.get(key) or config[key] for key in ("encoder", "tokenizer")]
