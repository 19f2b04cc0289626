"""What every use asks the database for and hardly ever changes: read again only once it is some time ago."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lately(Generic[T]):
    """The answer to a question as it was at most `seconds` ago. Safe to share between threads.

    So what another process changes is seen within that time; whoever changes it here calls `forget`, after the
    transaction, and everybody who asks from then on gets the new answer.
    """

    def __init__(self, read: Callable[[], T], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._mutex = threading.Lock()
        self._kept: tuple[float, T] | None = None
        self._forgotten = 0

    def get(self) -> T:
        """The answer. Raises what reading raises, and keeps nothing then."""
        kept = self._kept
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        forgotten, began = self._forgotten, time.monotonic()
        answer = self._read()
        with self._mutex:
            # What was read while it was changed may be what it was before: it is not kept.
            if forgotten == self._forgotten:
                self._kept = began + self._seconds, answer
        return answer

    def forget(self) -> None:
        """Read it again when it is asked for next."""
        with self._mutex:
            self._forgotten += 1
            self._kept = None
