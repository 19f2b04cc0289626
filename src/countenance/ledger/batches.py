"""Group commit: what several threads want committed goes in one transaction, made by one of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from countenance.errors import Unaccountable

T = TypeVar("T")


class _Waiting(Generic[T]):
    """Somebody who waits: for the end of the batch that has their item, or to make the next batch."""

    __slots__ = ("error", "item", "leads", "turn")

    def __init__(self, item: T) -> None:
        self.item = item
        self.leads = False
        self.error: Unaccountable | None = None
        self.turn = threading.Lock()
        self.turn.acquire()


class Batches(Generic[T]):
    """Takes items from many threads and commits them in batches, one at a time, in the order in which they came.

    The first to come commits for everybody who came meanwhile, so that an item without company waits for no other
    thread: handing it to one that only commits, and being woken by it, takes as long as the commit itself.
    """

    def __init__(self, commit: Callable[[Sequence[T]], None]) -> None:
        """`commit` makes items last, all or none; it raises Unaccountable, which then all of them get."""
        self._commit = commit
        self._mutex = threading.Lock()
        self._queue: list[_Waiting[T]] = []
        self._busy = False

    def add(self, item: T) -> None:
        """Returns when the item is committed. Raises Unaccountable when it is not."""
        me = _Waiting(item)
        with self._mutex:
            self._queue.append(me)
            me.leads = not self._busy
            self._busy = True
        if not me.leads:
            self._wait(me)
        if me.leads:
            self._lead()
        if me.error is not None:
            raise Unaccountable(me.error.message) from me.error

    def _lead(self) -> None:
        with self._mutex:
            batch, self._queue = self._queue, []
        error: Unaccountable | None = Unaccountable("The ledger was interrupted while it was written.")
        try:
            self._commit([waiting.item for waiting in batch])
            error = None
        except Unaccountable as refused:
            error = refused
        finally:
            # In whatever way it ended, even by an interrupt, everybody is told and somebody leads the next batch.
            for waiting in batch:
                waiting.error = error
                if not waiting.leads:
                    waiting.turn.release()
            with self._mutex:
                self._hand_over()

    def _wait(self, me: _Waiting[T]) -> None:
        try:
            me.turn.acquire()
        except BaseException:
            # Interrupted: nobody may be left waiting for somebody who has gone.
            with self._mutex:
                if me in self._queue:
                    self._queue.remove(me)
                    if me.leads:
                        self._hand_over()
            raise

    def _hand_over(self) -> None:
        if self._queue:
            self._queue[0].leads = True
            self._queue[0].turn.release()
        else:
            self._busy = False
