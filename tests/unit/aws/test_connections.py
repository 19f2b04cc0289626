"""Heads of requests: bounded in size and in time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from countenance.aws import connections
from countenance.aws.connections import MAX_HEAD_BYTES, BoundedHttpProtocol

# `echo` answers at once what is sent elsewhere than to /.
UNREAD = b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nbegun"
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
SECONDS = 20


async def echo(scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    body = b""
    while scope["path"] == "/":
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Client:
    """A connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def hear(self, ending: bytes) -> bytes:
        return await asyncio.wait_for(self._reader.readuntil(ending), SECONDS)

    async def hear_all(self) -> bytes:
        """Everything until the server hangs up."""
        return await asyncio.wait_for(self._reader.read(), SECONDS)


def with_client(work: Callable[[Client], Awaitable[None]]) -> None:
    """Run `work` with a connection to a server that speaks this protocol."""

    async def run() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(echo, http=BoundedHttpProtocol, ws="none", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([listener]))
        reader, writer = await asyncio.open_connection(*listener.getsockname(), limit=2**20)
        try:
            await work(Client(reader, writer))
        finally:
            writer.close()
            server.should_exit = True
            await serving

    asyncio.run(run())


def test_requests_on_one_connection_are_answered_one_after_the_other() -> None:
    async def work(client: Client) -> None:
        for _ in range(3):
            await client.say(REQUEST)
            assert (await client.hear(b"{}")).startswith(b"HTTP/1.1 200 ")

    with_client(work)


def test_a_large_body_is_no_large_head() -> None:
    body = bytes(3 * MAX_HEAD_BYTES) + b"end"

    async def work(client: Client) -> None:
        for _ in range(2):
            await client.say(REQUEST.replace(b"2\r\n\r\n{}", str(len(body)).encode() + b"\r\n\r\n") + body)
            assert await client.hear(b"end")

    with_client(work)


def test_a_head_above_the_bound_is_refused() -> None:
    async def work(client: Client) -> None:
        await client.say(b"POST / HTTP/1.1\r\n")
        for _ in range(MAX_HEAD_BYTES // 1000 + 1):
            await client.say(b"X-More: " + b"x" * 1000 + b"\r\n")
            await asyncio.sleep(0)
        assert (await client.hear_all()).startswith(b"HTTP/1.1 431 ")

    with_client(work)


@pytest.mark.parametrize(("earlier", "beginning"), [(0, b""), (0, REQUEST[:20]), (1, REQUEST[:20])])
def test_a_head_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, earlier: int, beginning: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)

    async def work(client: Client) -> None:
        for _ in range(earlier):
            await client.say(REQUEST)
            await client.hear(b"{}")
        await client.say(beginning)
        assert await client.hear_all() == b""

    with_client(work)


def test_a_body_may_take_longer_than_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.05)

    async def work(client: Client) -> None:
        await client.say(REQUEST[:-2])
        await asyncio.sleep(0.15)
        await client.say(b"{}")
        assert (await client.hear(b"{}")).startswith(b"HTTP/1.1 200 ")

    with_client(work)


def test_a_body_that_nobody_waits_for_keeps_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)

    async def drip(client: Client) -> None:
        for _ in range(95):  # bytes that are still missing
            await client.say(b"x")
            await asyncio.sleep(0.05)

    async def work(client: Client) -> None:
        await client.say(UNREAD)
        await client.hear(b"\r\n\r\n")
        with pytest.raises(ConnectionError):
            await drip(client)

    with_client(work)


def test_what_is_left_of_an_unread_body_may_still_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)

    async def work(client: Client) -> None:
        await client.say(UNREAD)
        await client.hear(b"\r\n\r\n")
        await client.say(bytes(95))
        await asyncio.sleep(0.4)
        await client.say(REQUEST)
        assert (await client.hear(b"{}")).startswith(b"HTTP/1.1 200 ")

    with_client(work)
