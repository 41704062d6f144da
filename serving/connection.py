"""Connection: one HTTP connection to a service, kept alive; knows no call of it."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

LOST = (http.client.HTTPException, OSError)
"""No answer came."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers (lower-case names) and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """One connection to a service, kept alive; for one thread.

    Args:
        url: base URL, http or https.
        token: sent as `Authorization: Bearer`, if given.
        timeout: seconds to connect, and between two parts of an answer.
    """

    def __init__(self, url: str, token: str | None = None, timeout: float = 60) -> None:
        parts = urlsplit(url)
        kind = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}.get(parts.scheme)
        if kind is None or not parts.netloc:
            raise ValueError(f"a URL must begin with http:// or https:// and a host, but got {url!r}.")
        self._connection = kind(parts.netloc, timeout=timeout)
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Content-Type": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"

    def send(self, method: str, path: str, body: bytes | None = None) -> Reply:
        """Ask once.

        Raises:
            OSError, http.client.HTTPException: no answer came; the connection is closed.
        """
        try:
            self._connection.request(method, self._prefix + path, body, self._headers)
            answer = self._connection.getresponse()
            return Reply(answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read())
        except LOST:
            self.close()
            raise

    def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer; asks once more if an idle connection was closed meanwhile."""
        try:
            reply = self.send("POST", path, body)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            reply = self.send("POST", path, body)
        return reply.status, reply.body

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
