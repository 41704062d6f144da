"""Guard: who may ask. Callers of this machine without a token, others only with the token."""

import hmac
import ipaddress
from urllib.parse import urlsplit

import click
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.door.wire import Refusal, refuse
from serving.settings import TOKEN_VARIABLE, token

OPEN_PATHS = frozenset({"/", "/livez", "/readyz", "/healthz"})
OPEN_FOLDER = "/page/"
"""The page itself and the probes of an orchestrator tell nothing and need no token."""


class Guard:
    """ASGI middleware that answers 401 or 403 to whom it does not let in.

    With a token every caller has to send it. Without one the connection must have come to a loopback address
    under a loopback name; the name keeps out web pages that point their own domain at this machine.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.token = token()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self.app(scope, receive, send)
        else:
            await refuse(refusal)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        if scope["path"] in OPEN_PATHS or scope["path"].startswith(OPEN_FOLDER):
            return None
        headers = Headers(scope=scope)
        if self.token is not None:
            return _token_refusal(headers.get("authorization", ""), self.token)
        address = (scope.get("server") or ("127.0.0.1",))[0]
        name = urlsplit(f"//{headers.get('host', address)}").hostname or ""
        if is_loopback(address) and is_loopback(name):
            return None
        return Refusal(
            403,
            f"without a token only this machine may ask, but the request came to {name} ({address}): "
            f"set {TOKEN_VARIABLE} for the service and send it.",
        )


def _token_refusal(sent: str, token: str) -> Refusal | None:
    if hmac.compare_digest(sent.encode(), f"Bearer {token}".encode()):
        return None
    came = "another one" if sent else "none"
    return Refusal(401, f"a request must carry the token, but got {came}: send Authorization: Bearer TOKEN.")


def is_loopback(host: str) -> bool:
    """Whether `host` (name or address) is this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_host(host: str, *, has_token: bool) -> None:
    """Refuse to open a service to other machines without a token.

    Raises:
        ValueError: `host` is not loopback and there is no token.
    """
    if not has_token and not is_loopback(host):
        raise ValueError(
            f"a service that other machines reach needs a token, but got {host} and no {TOKEN_VARIABLE}: "
            f"set {TOKEN_VARIABLE}, or bind to 127.0.0.1."
        )


def host_of_command() -> str | None:
    """The host that `bentoml serve` was told on its command line or in BENTOML_HOST, None if not told."""
    context = click.get_current_context(silent=True)
    return None if context is None else context.params.get("host")
