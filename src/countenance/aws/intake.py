"""Request bodies, bounded: in size, in time, and in how much of them is held at once.

A body that will not be read is still let in and thrown away, up to a bound: a client that is cut off while it sends
reports a broken connection instead of the error it was answered with.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import anyio
from starlette.requests import ClientDisconnect, Request

from countenance.aws.errors import (
    RequestTimeoutException,
    SerializationException,
    ThrottlingException,
)
from countenance.settings import MIB, Settings

# CompareFaces carries two photos; base64 makes four characters of three bytes.
PHOTOS_PER_REQUEST = 2
# Everything besides photos: 4,096 face ids make 160 KB, 200 tags with every character escaped 460 KB.
SLACK_BYTES = MIB
# Time a body may take: the largest one at 1 Mbit/s.
BODY_SECONDS = 120
# What is read and thrown away for a client that sends more than it may.
DISCARDED_BYTES = 64 * MIB
DISCARDING_SECONDS = 20
# Bodies held at once, as many times the largest one.
BODIES_HELD = 64


class Intake:
    """Reads request bodies within the bounds that the settings imply."""

    def __init__(self, settings: Settings) -> None:
        photo_characters = -(-settings.max_image_bytes // 3) * 4
        self.max_bytes = PHOTOS_PER_REQUEST * photo_characters + SLACK_BYTES
        self._free_bytes = BODIES_HELD * self.max_bytes

    def expected_bytes(self, request: Request, too_large: type[Exception], max_bytes: int | None = None) -> int:
        """How long the body is, or may become where its length is not declared.

        Raises `too_large` for more than `max_bytes`, by default what any request may have, and
        `SerializationException` for what is no number.
        """
        most = self.max_bytes if max_bytes is None else max_bytes
        declared = request.headers.get("content-length")
        if declared is None:
            return most
        if not (declared.isascii() and declared.isdecimal()):
            raise SerializationException("Content-Length is not a number.")
        if len(declared) > len(str(most)) or int(declared) > most:
            raise too_large
        return int(declared)

    @contextmanager
    def room(self, expected_bytes: int) -> Iterator[None]:
        """Keep this many bytes free for one body while the request is worked on.

        Raises `ThrottlingException` when there is no room; SDKs then try again a little later.
        """
        if expected_bytes > self._free_bytes:
            raise ThrottlingException
        self._free_bytes -= expected_bytes
        try:
            yield
        finally:
            self._free_bytes += expected_bytes

    async def read(self, request: Request, expected_bytes: int, too_large: type[Exception]) -> bytes:
        """The whole body. Raises `too_large` and `RequestTimeoutException`."""
        body = bytearray()
        try:
            with anyio.fail_after(BODY_SECONDS):
                async for chunk in request.stream():
                    if len(body) + len(chunk) > expected_bytes:
                        raise too_large
                    body += chunk
        except TimeoutError as error:
            raise RequestTimeoutException from error
        return bytes(body)


async def discard(chunks: AsyncIterator[bytes]) -> None:
    """Let in what a client is still sending, and throw it away."""
    left = DISCARDED_BYTES
    with anyio.move_on_after(DISCARDING_SECONDS):
        try:
            async for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    return
        except (ClientDisconnect, RuntimeError):
            # The client is gone, or the body was read to its end.
            return
