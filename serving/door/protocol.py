"""Protocol: a request's first line and headers may be only so long and take only so long.

uvicorn's own reader keeps whatever comes before the headers end, from anybody: 300 MB of headers took 300 MB
of memory, and a connection on which nothing is said stays for ever. BentoML chooses the reader, so ours takes
its place where uvicorn looks for it.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http import auto
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 2**10
HEAD_SECONDS = 15.0


class BoundedHead(HttpToolsProtocol):
    """Hangs up on a head of more than 64 KiB beyond its first chunk, or one not there after 15 seconds."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._n_heads = 0
        self._is_in_head = False
        self._head_bytes = 0
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        head = self._n_heads if self._is_in_head else None
        super().data_received(data)
        if self._is_in_head and self._n_heads == head:  # a whole chunk of one head, and no end of it
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response(f"Headers may have {MAX_HEAD_BYTES} bytes, but more came.")

    def on_message_begin(self) -> None:
        """See httptools: the first byte of a request."""
        self._n_heads += 1
        self._is_in_head, self._head_bytes = True, 0
        if self._patience is None:
            self._wait()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._is_in_head = False
        self._wait_no_longer()
        super().on_headers_complete()

    def _wait(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _wait_no_longer(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def bound_heads() -> None:
    """Let uvicorn read by `BoundedHead`; call it before the server starts."""
    auto.AutoHTTPProtocol = BoundedHead
