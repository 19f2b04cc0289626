"""Work in parallel that can be told to stop."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Iterator

import pytest

from countenance.cli.parallel import AHEAD, in_parallel, stopped_by_signals


def test_every_item_is_done_once() -> None:
    """In whatever order."""
    done = dict(in_parallel(lambda n: n * n, range(100), workers=4, stop=threading.Event()))
    assert done == {n: n * n for n in range(100)}


def test_no_more_is_taken_on_than_keeps_the_workers_busy() -> None:
    """However much there is, it is not read ahead."""
    taken = itertools.count()
    highest = -1

    def items() -> Iterator[int]:
        nonlocal highest
        while True:
            highest = next(taken)
            yield highest

    results = in_parallel(lambda n: n, items(), workers=3, stop=threading.Event())
    for finished in range(20):
        next(results)
        assert highest < finished + 1 + 3 * AHEAD + 3
    results.close()  # type: ignore[attr-defined]


def test_what_was_begun_when_told_to_stop_is_finished() -> None:
    """And nothing else is begun."""
    stop = threading.Event()
    begun = []

    def work(n: int) -> int:
        begun.append(n)
        return n

    done = []
    for item, _ in in_parallel(work, itertools.count(), workers=2, stop=stop):
        done.append(item)
        if len(done) == 5:
            stop.set()
    assert sorted(done) == sorted(begun)


def test_what_work_raises_ends_it() -> None:
    """The first failure is not swallowed."""

    def work(n: int) -> int:
        if n == 3:
            raise ValueError("three")
        return n

    with pytest.raises(ValueError, match="three"):
        list(in_parallel(work, range(10), workers=2, stop=threading.Event()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_to_stop_and_a_second_one_does_not_ask(number: signal.Signals) -> None:
    """The handler there was before is back after the first, and after the block."""
    before = signal.getsignal(number)
    with stopped_by_signals() as stop:
        handler = signal.getsignal(number)
        assert callable(handler)
        assert handler is not before
        assert not stop.is_set()
        handler(number, None)
        assert stop.is_set()
        assert signal.getsignal(number) is before
    with stopped_by_signals():
        pass
    assert signal.getsignal(number) is before
