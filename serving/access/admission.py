"""Admission: whether a request is let in: by key and role, path, type, how often and how much at once."""

import ipaddress
import math
import re
import uuid
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import Scope

from serving.access.keys import LOCAL, Caller, Keyring
from serving.access.limits import STRANGERS_RATE, Limits, Load, RateLimiter
from serving.access.stages import Stages
from serving.door.calls import Call, CallTable
from serving.door.wire import Refusal

_HARMLESS_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_JSON = "application/json"
_QUESTION = frozenset({"", _JSON, "text/plain", "application/x-www-form-urlencoded"})
"""What a question may claim to be: curl says a form unless told otherwise. It is read as JSON anyway."""
_STRANGERS = "strangers"


@dataclass(slots=True)
class Visit:
    """One request on its way through the door.

    Attributes:
        headers: of the request, names in lower case; the first of several alike counts.
        method: GET for HEAD.
        id: its own, if harmless, else a new one.
        stages: where its time goes.
        call: of the table; None where there is none.
        caller: who asks; None where nobody is known.
        status: of the answer; 0 as long as there is none.
        rejected: why it was not let in, in a word for metrics.
    """

    headers: dict[str, str]
    method: str
    id: str
    stages: Stages = field(default_factory=Stages)
    call: Call | None = None
    caller: Caller | None = None
    status: int = 0
    rejected: str | None = None

    @classmethod
    def of(cls, scope: Scope) -> "Visit":
        """The visit that `scope` begins."""
        sent_headers = reversed(scope["headers"])
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in sent_headers}
        sent = headers.get("x-request-id", "")
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        return cls(headers, method, sent if _HARMLESS_ID.fullmatch(sent) else uuid.uuid4().hex)

    @property
    def is_probe(self) -> bool:
        """Whether machines ask this all the time."""
        return self.call is not None and self.call.is_probe

    def reject(self, reason: str, refusal: Refusal) -> Refusal:
        """`refusal`, noted."""
        self.rejected = reason
        return refusal


class Admission:
    """Decides in one order: who, what, whether with this key, in which form, how often, how much at once.

    With keys every caller has to send one that has the role of the call. Without any the connection must have
    come to a loopback address under a loopback name; the name keeps out web pages that point their own domain
    at this machine.

    Args:
        keys: of the service; none: only this machine may ask.
        limits: of this process.
        load: what it has taken on.
    """

    def __init__(self, keys: Keyring, limits: Limits, load: Load) -> None:
        self._table = CallTable()
        self._keys = keys
        self._limits = limits
        self._load = load
        self._limiter = None if limits.rate is None else RateLimiter(limits.rate)
        self._strangers = RateLimiter(STRANGERS_RATE)

    def methods(self, scope: Scope) -> dict[str, Call]:
        """The calls of the path that is asked for."""
        return self._table.methods(scope["path"])

    def refusal(self, scope: Scope, visit: Visit) -> Refusal | None:
        """Why the request is not let in; None where it is. Completes `visit` on the way."""
        methods = self.methods(scope)
        visit.call = methods.get(visit.method)
        if visit.call is not None and visit.call.role is None:
            return self._too_much(visit)
        return (
            self._unknown_caller(scope, visit)
            or _no_such_call(scope, visit, methods)
            or _not_allowed(visit)
            or _not_json(visit)
            or self._too_often(scope, visit)
            or self._too_much(visit)
        )

    def _unknown_caller(self, scope: Scope, visit: Visit) -> Refusal | None:
        if not self._keys:
            visit.caller = LOCAL
            return _not_from_here(scope, visit)
        scheme, _, secret = visit.headers.get("authorization", "").partition(" ")
        visit.caller = self._keys.owner(secret.encode("latin-1")) if scheme.lower() == "bearer" else None
        if visit.caller is not None:
            return None
        wait = self._strangers.wait_seconds(_STRANGERS)
        if wait:
            return visit.reject("strangers", _slower(wait, "without a valid key few may ask"))
        came = "another one" if scheme else "none"
        reason = f"a request must carry the token, but got {came}: send Authorization: Bearer TOKEN."
        return visit.reject("key", Refusal(401, reason, {"WWW-Authenticate": "Bearer"}))

    def _too_often(self, scope: Scope, visit: Visit) -> Refusal | None:
        rate = self._limits.rate
        if rate is None or self._limiter is None or visit.caller is None:
            return None
        if not self._limits.is_rate_set and is_loopback(_address(scope)):
            return None
        wait = self._limiter.wait_seconds(visit.caller.name)
        said = f"{visit.caller.name} may ask {rate.per_second:g} times a second, {rate.burst} times at once"
        return visit.reject("rate", _slower(wait, said)) if wait else None

    def _too_much(self, visit: Visit) -> Refusal | None:
        if not self._load.is_full or visit.is_probe:
            return None
        reason = (
            f"{self._limits.in_flight} requests are answered at a time, but more came: send it again later."
        )
        return visit.reject("busy", Refusal(503, reason, {"Retry-After": "1"}))


def _no_such_call(scope: Scope, visit: Visit, methods: dict[str, Call]) -> Refusal | None:
    if visit.call is not None:
        return None
    path = scope["path"][:60]
    if not methods:
        reason = f"a path must be one of those in /openapi.json, but got {path!r}: correct it."
        return visit.reject("path", Refusal(404, reason))
    allowed = ", ".join(sorted(methods))
    reason = f"{path!r} answers {allowed}, but got {visit.method[:20]!r}: send another method."
    return visit.reject("method", Refusal(405, reason, {"Allow": allowed}))


def _not_allowed(visit: Visit) -> Refusal | None:
    assert visit.call is not None
    assert visit.caller is not None
    role, caller = visit.call.role, visit.caller
    if role in caller.roles:
        return None
    has = ", ".join(sorted(caller.roles))
    reason = f"this call needs a key with the role {role}, but {caller.name} has {has}: send another key."
    return visit.reject("role", Refusal(403, reason))


def _not_json(visit: Visit) -> Refusal | None:
    """Refuse pickle and all that is not JSON; what changes something must say that it is.

    A web page of another site can send a form or plain text without asking first, but not JSON.
    """
    assert visit.call is not None
    claimed = visit.headers.get("content-type", "").partition(";")[0].strip().lower()
    if claimed == _JSON or (visit.call.role == "read" and claimed in _QUESTION):
        return None
    if not claimed and visit.call.asks is None:
        return None
    reason = f"a body must be JSON, but got {claimed[:60]!r}: send content-type: application/json."
    return visit.reject("media type", Refusal(415, reason))


def _not_from_here(scope: Scope, visit: Visit) -> Refusal | None:
    address = _address(scope)
    name = _host_in(visit.headers.get("host", address))
    if is_loopback(address) and is_loopback(name):
        return None
    reason = (
        f"without a token only this machine may ask, but the request came to {name[:60]} ({address}): "
        "give the service keys (ENCORE_TOKENS_FILE) or a token (ENCORE_TOKEN) and send one."
    )
    return visit.reject("host", Refusal(403, reason))


def _address(scope: Scope) -> str:
    """Where the connection came to, a unix socket counts as this machine."""
    return str((scope.get("server") or ("127.0.0.1",))[0])


@lru_cache(maxsize=64)
def _host_in(header: str) -> str:
    """The name in a Host header; what cannot be read is no name."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _slower(wait_seconds: float, rule: str) -> Refusal:
    seconds = max(1, math.ceil(wait_seconds))
    reason = f"{rule}, but more came: send it again in {seconds} s."
    return Refusal(429, reason, {"Retry-After": str(seconds)})


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether `host` (name or address) is this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
