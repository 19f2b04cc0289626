"""Group commit."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from countenance.errors import Unaccountable
from countenance.ledger.batches import Batches


class Journal:
    """Commits slowly, and remembers."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.refuses: set[int] = set()
        self.release = threading.Event()
        self.release.set()
        self.busy = threading.Lock()

    def commit(self, batch: Sequence[int]) -> None:
        assert self.busy.acquire(blocking=False), "two commits at once"
        try:
            assert self.release.wait(30)
            self.batches.append(list(batch))
            if self.refuses & set(batch):
                raise Unaccountable("the disk is full")
        finally:
            self.busy.release()


def _wait_until_queued(queue: Batches[int], length: int) -> None:
    deadline = time.monotonic() + 30
    while len(queue._queue) < length and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(queue._queue) == length


def test_what_comes_during_a_commit_is_committed_together_afterwards() -> None:
    journal = Journal()
    batches = Batches(journal.commit)
    journal.release.clear()
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(batches.add, 0)
        while not journal.busy.locked():
            time.sleep(0.001)
        rest = []
        for number in range(1, 6):
            rest.append(pool.submit(batches.add, number))
            _wait_until_queued(batches, number)
        journal.release.set()
        for future in (first, *rest):
            future.result(timeout=30)
    assert journal.batches == [[0], [1, 2, 3, 4, 5]]


def test_everybody_in_a_batch_that_fails_is_told_and_nobody_else() -> None:
    journal = Journal()
    batches = Batches(journal.commit)
    journal.release.clear()
    journal.refuses = {2}
    with ThreadPoolExecutor(4) as pool:
        good = pool.submit(batches.add, 0)
        while not journal.busy.locked():
            time.sleep(0.001)
        bad = []
        for number in (1, 2):
            bad.append(pool.submit(batches.add, number))
            _wait_until_queued(batches, number)
        journal.release.set()
        good.result(timeout=30)
        for future in bad:
            with pytest.raises(Unaccountable, match="the disk is full"):
                future.result(timeout=30)
    journal.refuses = set()
    batches.add(3)
    assert journal.batches[-1] == [3]


def test_many_threads_lose_nothing() -> None:
    journal = Journal()
    batches = Batches(journal.commit)
    threads, each = 8, 500

    def work(place: int) -> None:
        for number in range(each):
            batches.add(place * each + number)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    committed = [number for batch in journal.batches for number in batch]
    assert sorted(committed) == list(range(threads * each))
    for place in range(threads):
        own = [number for number in committed if number // each == place]
        assert own == sorted(own)


def test_a_commit_that_breaks_leaves_nobody_waiting() -> None:
    begun = threading.Event()
    go = threading.Event()
    calls: list[list[int]] = []

    def commit(batch: Sequence[int]) -> None:
        calls.append(list(batch))
        if len(calls) == 1:
            begun.set()
            assert go.wait(30)
            raise ZeroDivisionError

    batches = Batches(commit)
    with ThreadPoolExecutor(2) as pool:
        broken = pool.submit(batches.add, 1)
        assert begun.wait(30)
        other = pool.submit(batches.add, 2)
        _wait_until_queued(batches, 1)
        go.set()
        with pytest.raises(ZeroDivisionError):
            broken.result(timeout=30)
        other.result(timeout=30)
    assert calls == [[1], [2]]


def test_who_is_interrupted_while_waiting_keeps_nobody_from_committing() -> None:
    journal = Journal()
    batches = Batches(journal.commit)
    journal.release.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(batches.add, 0)
        while not journal.busy.locked():
            time.sleep(0.001)

        def interrupt() -> None:
            _wait_until_queued(batches, 1)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        interrupting = pool.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            batches.add(1)
        interrupting.result(timeout=30)
        journal.release.set()
        first.result(timeout=30)
    batches.add(2)
    assert journal.batches == [[0], [2]]
