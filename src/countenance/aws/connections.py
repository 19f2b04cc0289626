"""uvicorn's HTTP/1.1, with the head of a request bounded in size and in time.

Neither uvicorn nor its parser bounds either: somebody without a key could fill the memory with headers, or hold
connections open by sending nothing. What is behind the head is bounded in `countenance.aws.intake`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Everything of a request but its body: request line, headers, the framing of chunks, trailers. A signed request has
# about 1,000 bytes of them.
MAX_HEAD_BYTES = 65_536

# From the connection, or from the first byte of a later request on it, to the end of the headers; and from an answer
# that did not wait for the body to the end of the body.
HEAD_SECONDS = 30.0

HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"  # RFC 6585
)


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. For `uvicorn.Config(http=...)`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hang up when what is not body grows beyond the bound."""
        self._head_bytes = max(self._head_bytes, 0) + len(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(HEAD_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._head_is_there()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """What is body does not count."""
        self._head_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Count anew for the next request."""
        self._head_bytes = 0
        self._head_is_there()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer was sent. A body that goes on all the same is let in only for a while."""
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body and not self.transport.is_closing():
            self._wait_for_head()

    def _wait_for_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _head_is_there(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
