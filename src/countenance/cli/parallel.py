"""Work on many things at once, in bounded memory, that can be told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Things taken on for each worker: one in work and one waiting keep it busy.
AHEAD = 2


def in_parallel(
    work: Callable[[Item], Result], items: Iterable[Item], *, workers: int, stop: threading.Event
) -> Iterator[tuple[Item, Result]]:
    """Every item with the result of `work` on it, as they are done, by this many threads.

    Once `stop` is set no further item is begun, and those begun are finished. What `work` raises is raised here.
    """
    pending: dict[Future[Result], Item] = {}
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                if stop.is_set():
                    break
                pending[pool.submit(work, item)] = item
                if len(pending) >= workers * AHEAD:
                    yield from _done(pending)
            while pending:
                if stop.is_set():
                    for future in [future for future in pending if future.cancel()]:
                        del pending[future]
                yield from _done(pending)
        finally:
            for future in pending:
                future.cancel()


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that SIGINT (Ctrl-C) and SIGTERM set inside this block. A second one ends the program at once."""
    stop = threading.Event()
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        restore()

    for number in previous:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        restore()


def _done(pending: dict[Future[Result], Item]) -> Iterator[tuple[Item, Result]]:
    done, _ = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        yield pending.pop(future), future.result()
