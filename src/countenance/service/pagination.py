"""Pagination tokens: opaque to the client, tied to the request that they continue."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from countenance.errors import InvalidPaginationToken
from countenance.gallery.pages import Item, Page

# Rekognition's page size where a request names none, or names 0.
DEFAULT_PAGE = 1000

# A digest that only has to tell requests apart; the whole token must stay under the model's 255 characters.
FINGERPRINT_BYTES = 12

# How long Rekognition's tokens of video results can be used.
PASSING_SECONDS = 24 * 3600

# Keys are signed 64-bit integers in the database.
MAX_KEY = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Listing(Generic[Item]):
    """Some of what there is, and the token of the rest; `next_token` is None when there is no more."""

    items: Sequence[Item]
    next_token: str | None

    @classmethod
    def of(cls, request: Sequence[object], page: Page[Item]) -> Listing[Item]:
        """What a page answers to `request`: the operation and the parameters that must not change between pages."""
        return cls(page.items, None if page.after is None else next_token(request, page.after))


def next_token(request: Sequence[object], after: int) -> str:
    """A token that continues `request` behind key `after`."""
    return base64.urlsafe_b64encode(_fingerprint(request) + after.to_bytes(8, "big")).decode("ascii")


def position(request: Sequence[object], token: str | None) -> int | None:
    """The key to continue behind; None at the start.

    Raises `InvalidPaginationToken` for anything that `next_token` did not make for this very request.
    """
    if token is None:
        return None
    try:
        content = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidPaginationToken from error
    if len(content) != FINGERPRINT_BYTES + 8 or content[:FINGERPRINT_BYTES] != _fingerprint(request):
        raise InvalidPaginationToken
    after = int.from_bytes(content[FINGERPRINT_BYTES:], "big")
    if after > MAX_KEY:
        raise InvalidPaginationToken
    return after


def passing_token(request: Sequence[object], after: int, now: float) -> str:
    """A token that continues `request` behind place `after`, for some hours; `now` in UTC seconds."""
    content = _fingerprint(request) + after.to_bytes(8, "big") + int(now).to_bytes(8, "big")
    return base64.urlsafe_b64encode(content).decode("ascii")


def place(request: Sequence[object], token: str | None, now: float) -> int:
    """The place to continue at; 0 at the start.

    Raises `InvalidPaginationToken` for anything that `passing_token` did not make for this very request, or that it
    made too long ago.
    """
    if token is None:
        return 0
    try:
        content = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidPaginationToken from error
    if len(content) != FINGERPRINT_BYTES + 16 or content[:FINGERPRINT_BYTES] != _fingerprint(request):
        raise InvalidPaginationToken
    after, made = (int.from_bytes(content[i : i + 8], "big") for i in (FINGERPRINT_BYTES, FINGERPRINT_BYTES + 8))
    if after > MAX_KEY or not now - PASSING_SECONDS < made <= now + 1:
        raise InvalidPaginationToken
    return after


def _fingerprint(request: Sequence[object]) -> bytes:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()[:FINGERPRINT_BYTES]
