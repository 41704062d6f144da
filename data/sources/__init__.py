"""Sources: where events and items come from; one file a source, one dict that finds it by `kind`."""

from collections.abc import Callable
from typing import Any

from data.sources import complete_journey, events, files, recbole, sql, synthetic
from data.sources.config import EventsConfig, SourceConfig
from data.tables import Tables


def _events(config: EventsConfig) -> Tables:
    return events.load(config, load(config.base))


LOADERS: dict[str, Callable[[Any], Tables]] = {
    "complete-journey": complete_journey.load,
    "events": _events,
    "files": files.load,
    "recbole": recbole.load,
    "sql": sql.load,
    "synthetic": synthetic.load,
}


def load(config: SourceConfig) -> Tables:
    """Read a source whole and check it.

    Raises:
        DataError: the source cannot be read, or breaks a rule (see `data.normalise`).
    """
    return LOADERS[config.kind](config)
