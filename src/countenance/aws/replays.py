"""Signatures already used.

SigV4 has no nonce: a client that makes the same call twice within one second sends the same bytes twice, so a
signature seen again at once may be honest, and one seen again later is not: every SDK signs each attempt anew.

What is remembered is remembered by one process. Where several serve one address, a captured request can be replayed
once to each of the others, within the clock skew; TLS is what keeps it from being captured.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime

from countenance.aws.errors import InvalidSignatureException, ThrottlingException

# How much later the second of two identical calls may arrive: they were signed within one second of one another, and
# a busy client or network may hold one of them back for a few seconds.
TWIN_SECONDS = 5.0
# 1,747 signatures a second over the ten minutes a signature can be remembered at most, in about 200 MB. One process
# does not answer that many.
MAX_REMEMBERED = 2**20


class UsedSignatures:
    """Every signature accepted and still inside its clock skew window. Thread-safe."""

    def __init__(self, skew_seconds: int, max_remembered: int = MAX_REMEMBERED) -> None:
        # A signature dated as far ahead as allowed is valid for twice the skew from its first use.
        self._kept_seconds = 2.0 * skew_seconds
        self._max_remembered = max_remembered
        self._first_uses: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def use(self, signature: str, arrived: datetime) -> None:
        """Take note of a verified signature whose request arrived at `arrived`.

        Raises `InvalidSignatureException` when it was used before, and `ThrottlingException` when too many signatures
        are in use to remember this one: forgetting one would open it to replay.
        """
        key = bytes.fromhex(signature)
        now = arrived.timestamp()
        with self._lock:
            self._forget(now)
            first_use = self._first_uses.get(key)
            if first_use is None:
                if len(self._first_uses) >= self._max_remembered:
                    raise ThrottlingException
                self._first_uses[key] = now
            elif abs(now - first_use) > TWIN_SECONDS:
                raise InvalidSignatureException("This signature was used before. Sign every request anew.")

    def _forget(self, now: float) -> None:
        while self._first_uses:
            key, first_use = next(iter(self._first_uses.items()))
            if now - first_use <= self._kept_seconds:
                return
            del self._first_uses[key]
