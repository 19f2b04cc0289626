"""Bodies: bounded in size, in time and in number."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.requests import ClientDisconnect, Request

from countenance.aws import intake
from countenance.aws.errors import (
    RequestEntityTooLargeException,
    RequestTimeoutException,
    SerializationException,
    ThrottlingException,
)
from countenance.aws.intake import BODIES_HELD, Intake, discard
from countenance.errors import ImageTooLarge
from countenance.settings import Settings


@pytest.fixture
def door(tmp_path: Path) -> Intake:
    return Intake(Settings(data=tmp_path))


def request(*parts: bytes, length: str | None = None, hangs: bool = False, leaves: bool = False) -> Request:
    headers = [] if length is None else [(b"content-length", length.encode("latin-1"))]
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.disconnect"} if leaves else {"type": "http.request", "body": b""})

    async def receive() -> dict[str, Any]:
        if hangs and len(messages) == 1:
            await anyio.sleep_forever()
        return messages.pop(0)

    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def run(work: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    return anyio.run(work, *arguments)


def test_a_body_comes_together_from_its_parts(door: Intake) -> None:
    assert run(door.read, request(b"{", b"", b"}"), 2, ImageTooLarge) == b"{}"


def test_two_photos_of_five_megabytes_fit_and_three_do_not(door: Intake) -> None:
    photo = 4 * 5 * 1024 * 1024 // 3
    assert door.expected_bytes(request(length=str(2 * photo)), ImageTooLarge) == 2 * photo
    with pytest.raises(ImageTooLarge):
        door.expected_bytes(request(length=str(3 * photo)), ImageTooLarge)


@pytest.mark.parametrize("length", ["", "x", "-1", "+1", "1 1", "²", "0x10"])
def test_a_length_is_a_number(door: Intake, length: str) -> None:
    with pytest.raises(SerializationException):
        door.expected_bytes(request(length=length), ImageTooLarge)


def test_an_endless_length_is_too_large_and_not_a_failure(door: Intake) -> None:
    with pytest.raises(ImageTooLarge):
        door.expected_bytes(request(length="9" * 10_000), ImageTooLarge)


def test_a_body_without_a_length_may_become_as_large_as_any(door: Intake) -> None:
    assert door.expected_bytes(request(), ImageTooLarge) == door.max_bytes


def test_a_body_that_outgrows_what_was_expected_is_refused(door: Intake) -> None:
    with pytest.raises(RequestEntityTooLargeException):
        run(door.read, request(b"12", b"3"), 2, RequestEntityTooLargeException)


def test_a_body_that_does_not_come_times_out(door: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "BODY_SECONDS", 0.01)
    with pytest.raises(RequestTimeoutException):
        run(door.read, request(b"{", hangs=True), 2, ImageTooLarge)


def test_a_client_that_leaves_is_noticed(door: Intake) -> None:
    with pytest.raises(ClientDisconnect):
        run(door.read, request(b"{", leaves=True), 2, ImageTooLarge)


def test_only_so_many_bodies_are_held_at_once(door: Intake) -> None:
    held = [door.room(door.max_bytes) for _ in range(BODIES_HELD)]
    for room in held:
        room.__enter__()
    with pytest.raises(ThrottlingException), door.room(1):
        pass
    held[0].__exit__(None, None, None)
    with door.room(door.max_bytes):
        pass


def test_room_is_given_back_when_the_request_fails(door: Intake) -> None:
    for _ in range(BODIES_HELD + 1):
        with pytest.raises(KeyError), door.room(door.max_bytes):
            raise KeyError


@pytest.mark.parametrize("arrangement", [{"leaves": True}, {}])
def test_what_is_not_read_is_thrown_away(arrangement: dict[str, bool]) -> None:
    run(discard, request(b"x" * 10, **arrangement).stream())


def test_throwing_away_ends_after_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "DISCARDED_BYTES", 5)

    async def discard_and_look() -> bytes:
        chunks = request(b"123", b"456", b"789", hangs=True).stream()
        await discard(chunks)
        return await anext(chunks)

    assert run(discard_and_look) == b"789"


def test_throwing_away_ends_when_nothing_more_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "DISCARDING_SECONDS", 0.01)
    run(discard, request(b"1", hangs=True).stream())
