"""Events source: a base source and, behind it, what users did as a service was told.

The base has the items and its word counts: an event on an item that it lacks waits in the store, and one
that it has too, the same user, item and second, is its own. Where the store hashes user keys the base's are
hashed the same way, and what was deleted on request is left out of the base, too.
"""

import logging
import os

import polars as pl

from data.errors import DataError
from data.event_store import open_store
from data.event_store.address import Address, parse
from data.event_store.event import EventStore, StoreError
from data.event_store.users import UserKeys, forgotten_name
from data.sources.config import EventsConfig
from data.tables import EVENT_SCHEMA, Tables

_STORED: dict[str, pl.DataType] = {
    "event_key": pl.String(),
    "user_key": pl.String(),
    "item_key": pl.String(),
    "timestamp": pl.Int64(),
    "event_type": pl.String(),
    "basket_key": pl.String(),
}
_SAME = ("user_key", "item_key", "timestamp")

logger = logging.getLogger(__name__)


def load(config: EventsConfig, base: Tables) -> Tables:
    """Events of `base`, then those of the store, in one table.

    A SQLite file that does not exist is a service that was told nothing yet: the base alone, and a warning.

    Raises:
        DataError: no store is named, it cannot be read, or its users are written with another salt.
    """
    source = f"{base.source} and events of the service"
    address = _address(config)
    if address.path is not None and not address.path.is_file():
        logger.warning("event=no_events_yet store=%s", address.name)
        return Tables(base.interactions, base.items, base.text_fields, source)
    try:
        users = UserKeys(os.environ.get(config.salt_env) or None)
        store = open_store(address, users, create=False)
        try:
            stored, forgotten = _read(store, config.kinds), store.forgotten()
        finally:
            store.close()
    except (StoreError, ValueError) as error:
        raise DataError(
            "the event store must be readable",
            where=address.name,
            got=str(error),
            fix=f"correct source.store, {config.store_env} or {config.salt_env}",
        ) from None
    history = _without(_written(base.interactions, users), forgotten)
    return Tables(_joined(history, stored, base.items), base.items, base.text_fields, source)


def _address(config: EventsConfig) -> Address:
    named = str(config.store) if config.store is not None else os.environ.get(config.store_env)
    where = "source.store" if config.store is not None else "source.store_env"
    if not named:
        raise DataError(
            f"{config.store_env} must hold the address of the event store",
            where=where,
            got="none",
            fix=f"set source.store to its file, or export {config.store_env} as the service has it",
        )
    try:
        return parse(named)
    except ValueError as error:
        raise DataError(
            "the event store must have an address", where=where, got=str(error), fix="correct it"
        ) from None


def _read(store: EventStore, kinds: tuple[str, ...]) -> pl.DataFrame:
    chunks = [pl.DataFrame(rows, schema=_STORED, orient="row") for rows in store.chunks(kinds)]
    return pl.concat(chunks) if chunks else pl.DataFrame(schema=_STORED)


def _written(events: pl.DataFrame, users: UserKeys) -> pl.DataFrame:
    """The base's events with user keys as the store writes them."""
    if not users.are_hashed:
        return events
    return events.with_columns(_mapped(events["user_key"], {key: users.stored(key) for key in _keys(events)}))


def _without(events: pl.DataFrame, forgotten: dict[str, int]) -> pl.DataFrame:
    """The base's events without those that a user had deleted."""
    if not forgotten:
        return events
    when = {key: forgotten.get(forgotten_name("user", key), -(2**62)) for key in _keys(events)}
    deleted = events["user_key"].replace_strict(when, return_dtype=pl.Int64)
    kept = events.filter(events["timestamp"] > deleted)
    logger.info("event=forgotten_left_out n=%d", events.height - kept.height)
    return kept


def _joined(history: pl.DataFrame, stored: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Both tables in the columns of the base; a stored event comes after the base's of the same second."""
    facts = [name for name in ("event_type", "basket_key") if name in history.columns]
    once = stored.unique([*_SAME, *facts], keep="first", maintain_order=True)
    listed = once.join(items, on="item_key", how="semi", maintain_order="left")
    new = listed.join(history, on=list(_SAME), how="anti", maintain_order="left")
    logger.info(
        "event=events_joined stored=%d told_twice=%d unknown_items=%d in_base=%d",
        stored.height,
        stored.height - once.height,
        once.height - listed.height,
        listed.height - new.height,
    )
    first = (history.select(pl.col("position").max()).item() or 0) + 1
    own_basket = pl.concat_str(pl.lit("event:"), pl.col("event_key"))
    rows = new.with_columns(
        pl.int_range(first, first + pl.len(), dtype=pl.Int64).alias("position"),
        pl.coalesce("basket_key", own_basket).alias("basket_key"),
        pl.lit(1.0).alias("weight"),
    )
    columns = [name for name in EVENT_SCHEMA if name in history.columns]
    return pl.concat([history.select(columns), rows.select(columns)])


def _keys(events: pl.DataFrame) -> list[str]:
    return events["user_key"].unique().to_list()


def _mapped(column: pl.Series, written: dict[str, str]) -> pl.Series:
    return column.replace_strict(written, return_dtype=pl.String)
