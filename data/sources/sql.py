"""SQL source: two queries to any database that SQLAlchemy reaches; a password never leaves this file."""

import os
from typing import TYPE_CHECKING

import polars as pl

from data.errors import DataError
from data.normalise import normalise
from data.sources.config import SqlConfig
from data.tables import Tables

if TYPE_CHECKING:  # an optional dependency: imported where it is used
    from sqlalchemy import URL, Connection

_SECRET_OPTIONS = ("password", "passwd", "sslpassword", "token", "secret", "access_token")


def load(config: SqlConfig) -> Tables:
    """Both query results, checked.

    Raises:
        DataError: SQLAlchemy or a driver is missing, the URL holds a password or cannot be used, a query
            fails, or a rule is broken (see `data.normalise`).
    """
    url = _url(config)
    name = f"{url.get_backend_name()}://{url.host or ''}/{url.database or ''}"
    events, items = _query(url, name, {"interactions": config.interactions, "items": config.items})
    return normalise(
        events,
        items,
        config.columns,
        text_fields=config.text_fields,
        source=name,
        events_from=f"{name} (interactions query)",
        items_from=f"{name} (items query)",
    )


def _url(config: SqlConfig) -> "URL":
    try:
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError
    except ModuleNotFoundError:
        raise DataError(
            "the source sql needs the package sqlalchemy",
            where="source.kind",
            got="none installed",
            fix="install the extra that holds it: pip install 'encore[data]'",
        ) from None
    address = _address(config)
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):  # their messages may hold the URL
        raise DataError(
            "an SQLAlchemy URL must read dialect://user:password@host:port/database",
            where=f"source.{'url' if config.url else config.url_env}",
            got="text of another form (not shown, it may hold a password)",
            fix="percent-encode special characters of the password",
        ) from None
    if config.url is not None and _secrets(url):
        raise DataError(
            "source.url must not hold a password",
            where="source.url",
            got="one (not shown)",
            fix="put the URL into an environment variable and name it in source.url_env",
        )
    return url


def _address(config: SqlConfig) -> str:
    if config.url is not None:
        return config.url.get_secret_value()
    address = os.environ.get(config.url_env or "")
    if not address:
        raise DataError(
            f"the environment variable {config.url_env} must hold the database URL",
            where="source.url_env",
            got="none",
            fix=f"export {config.url_env}=dialect://user:password@host:port/database",
        )
    return address


def _secrets(url: "URL") -> list[str]:
    options = [value for name, value in url.query.items() if name.lower() in _SECRET_OPTIONS]
    return [str(value) for value in (url.password, *options) if value]


def _query(url: "URL", name: str, queries: dict[str, str]) -> list[pl.DataFrame]:
    """Result of each query, in one transaction, so that both see the same state where the database allows."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    asked = "connection"
    try:
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                frames = []
                for asked, query in queries.items():  # noqa: B007 (named by the message below)
                    frames.append(_read(connection, query))
                return frames
        finally:
            engine.dispose()
    except (SQLAlchemyError, ModuleNotFoundError, pl.exceptions.PolarsError, TypeError) as error:
        raise DataError(
            f"the database must answer ({asked})",
            where=name,
            got=_redacted(error, url),
            fix="check address, rights, driver and query",
        ) from None


def _read(connection: "Connection", query: str) -> pl.DataFrame:
    return pl.read_database(query, connection, infer_schema_length=None)


def _redacted(error: Exception, url: "URL") -> str:
    """First line of what went wrong, without the password."""
    text = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    for secret in _secrets(url):
        text = text.replace(secret, "***")
    return text or type(error).__name__
