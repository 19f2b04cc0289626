"""Pagination tokens: opaque to the client, tied to the request that they continue."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from countenance.errors import InvalidPaginationToken

# Rekognition's page size where a request names none, or names 0.
DEFAULT_PAGE = 1000

# A digest that only has to tell requests apart; the whole token must stay under the model's 255 characters.
FINGERPRINT_BYTES = 12

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some of a listing, and the token of the next page; `next_token` is None on the last one."""

    items: Sequence[Item]
    next_token: str | None


def next_token(request: Sequence[object], after: int) -> str:
    """A token that continues `request` (the operation and the parameters that must not change) behind key `after`."""
    return base64.urlsafe_b64encode(_fingerprint(request) + after.to_bytes(8, "big")).decode("ascii")


def position(request: Sequence[object], token: str | None) -> int:
    """The key to continue behind; 0 at the start.

    Raises `InvalidPaginationToken` for anything that `next_token` did not make for this very request.
    """
    if token is None:
        return 0
    try:
        content = base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidPaginationToken from error
    if len(content) != FINGERPRINT_BYTES + 8 or content[:FINGERPRINT_BYTES] != _fingerprint(request):
        raise InvalidPaginationToken
    return int.from_bytes(content[FINGERPRINT_BYTES:], "big", signed=False)


def _fingerprint(request: Sequence[object]) -> bytes:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()[:FINGERPRINT_BYTES]
