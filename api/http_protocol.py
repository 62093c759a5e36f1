"""HTTP/1.1 with limits on headers, which uvicorn has no option for."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER = 64 * 1024
"""Bytes in which a request's header has to end; httptools itself has no limit."""


class HttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 that closes a connection whose header does not end, in time or in size.

    The time runs from the connection, or from the first byte of a later request, until the header is complete.
    Bodies may take as long as they like.
    """

    header_seconds = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._header_timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0
        self._in_body = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first header is due."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._expect_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._stop_header_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes outside of a body belong to a header; blank lines before it do not keep a connection open."""
        if not self._in_body:
            self._expect_header()
        super().data_received(data)
        if self._header_timer is not None:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER:
                self.transport.close()

    def on_message_begin(self) -> None:
        """A header begins, perhaps that of a second request in the same bytes."""
        self._expect_header()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The header is complete."""
        self._stop_header_timer()
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is complete; what follows is the next header."""
        self._in_body = False
        super().on_message_complete()

    def _expect_header(self) -> None:
        if self._header_timer is None:
            self._header_bytes = 0
            self._header_timer = self.loop.call_later(self.header_seconds, self._header_is_late)

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _header_is_late(self) -> None:
        self._header_timer = None
        if self.cycle is not None and not self.cycle.response_complete:
            # An earlier request is being answered, and reading may be paused until then.
            self._expect_header()
        else:
            self.transport.close()
