"""Headers: what each answer carries for browsers, and which other sites' pages may read it."""

import re
from collections.abc import Sequence

Header = tuple[bytes, bytes]

SECURITY: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
UNLESS_SET: tuple[Header, ...] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
DROPPED = frozenset({b"server", b"x-bentoml-request-id", b"x-bentoml-trace-id"})
_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?")
PREFLIGHT_SECONDS = "600"
SENT_BY_PAGES = "authorization, content-type, x-request-id"
READ_BY_PAGES = b"retry-after, x-request-id"


def dressed(headers: Sequence[Header], request_id: str, origin: Sequence[Header]) -> list[Header]:
    """The headers of an answer as they go out: what the service says, ours, nothing about the software."""
    kept = [header for header in headers if header[0] not in DROPPED]
    there = {name for name, _ in kept}
    ours = [header for header in UNLESS_SET if header[0] not in there]
    return [*kept, *ours, *SECURITY, *origin, (b"x-request-id", request_id.encode())]


class Origins:
    """Sites whose pages may ask from a browser; none by default.

    Args:
        allowed: origins such as "https://shop.example".
    """

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._allowed = frozenset(origin.encode() for origin in allowed)

    def headers(self, origin: bytes) -> list[Header]:
        """What an answer to a page of `origin` carries; every answer depends on the origin once one may."""
        if not self._allowed:
            return []
        vary = (b"vary", b"origin")
        if origin not in self._allowed:
            return [vary]
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", READ_BY_PAGES),
            vary,
        ]

    def preflight(self, origin: bytes, methods: Sequence[str]) -> dict[str, str] | None:
        """What a browser is told that asks whether it may ask; None where it may not."""
        if origin not in self._allowed or not methods:
            return None
        return {
            "access-control-allow-methods": ", ".join(methods),
            "access-control-allow-headers": SENT_BY_PAGES,
            "access-control-max-age": PREFLIGHT_SECONDS,
        }


def read_origins(text: str) -> tuple[str, ...]:
    """The origins in `text`, separated by commas.

    Raises:
        ValueError: one is not an origin.
    """
    origins = tuple(part.strip() for part in text.split(",") if part.strip())
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"an origin must be scheme://host, with a port if it has one, but got {origin!r}: "
                "name each one, without a path and without *."
            )
    return origins
