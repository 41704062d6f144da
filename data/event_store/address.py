"""Address: where an event store is, told in one line; a password in it is never shown."""

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

EVENTS_VARIABLE = "ENCORE_EVENTS"
_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a store is.

    Attributes:
        name: for people and logs; without user and password.
        path: of a SQLite file, None for PostgreSQL.
        url: of a PostgreSQL database, None for SQLite; may hold a password.
    """

    name: str
    path: Path | None = None
    url: str | None = field(default=None, repr=False)


def parse(text: str) -> Address:
    """A path, or a postgresql:// URL.

    Raises:
        ValueError: another kind of URL, or PostgreSQL where psycopg is not installed; `text` is not shown.
    """
    scheme, mark, rest = text.partition("://")
    if not mark:
        return Address(text, path=Path(text))
    if scheme not in _SCHEMES:
        raise ValueError(
            f"{EVENTS_VARIABLE} must be the path of a SQLite file or a postgresql:// URL, but got a URL of "
            f"kind {scheme!r}: give one of the two."
        )
    if importlib.util.find_spec("psycopg") is None:
        raise ValueError(
            f"{EVENTS_VARIABLE} names a PostgreSQL database, which needs the package psycopg, but got none "
            "installed: pip install 'psycopg[binary]', or give the path of a SQLite file."
        )
    url = f"postgresql://{rest}"
    return Address(_name(url), url=url)


def _name(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"postgresql://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
    except ValueError:  # its message may hold the URL
        raise ValueError(
            f"{EVENTS_VARIABLE} must read postgresql://user:password@host:port/database, but got another "
            "form (not shown, it may hold a password): percent-encode special characters of the password."
        ) from None
