"""What was lately read is read again when it is old, or when somebody says that it changed."""

from __future__ import annotations

import threading

import pytest

from countenance.storage.lately import Lately


class Source:
    """Counts how often it is read; answers how often that was."""

    def __init__(self) -> None:
        self.reads = 0

    def read(self) -> int:
        self.reads += 1
        return self.reads


def test_it_is_read_once_while_it_is_young() -> None:
    source = Source()
    lately = Lately(source.read, 3600.0)
    assert [lately.get() for _ in range(5)] == [1] * 5


def test_it_is_read_again_when_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("countenance.storage.lately.time.monotonic", lambda: now)
    lately = Lately(Source().read, 0.25)
    assert lately.get() == 1
    now = 100.2
    assert lately.get() == 1
    now = 100.25
    assert lately.get() == 2


def test_it_is_read_again_after_it_changed() -> None:
    lately = Lately(Source().read, 3600.0)
    assert lately.get() == 1
    lately.forget()
    assert [lately.get(), lately.get()] == [2, 2]


def test_what_is_read_while_it_changes_is_not_kept() -> None:
    reading, changed = threading.Event(), threading.Event()
    source = Source()

    def slow() -> int:
        found = source.read()
        if found == 1:
            reading.set()
            assert changed.wait(30)
        return found

    lately = Lately(slow, 3600.0)
    reader = threading.Thread(target=lately.get)
    reader.start()
    assert reading.wait(30)
    lately.forget()
    changed.set()
    reader.join()
    assert lately.get() == 2


def test_a_failure_is_no_answer() -> None:
    answers: list[int | None] = [None, 7]

    def read() -> int:
        answer = answers.pop(0)
        if answer is None:
            raise OSError("not now")
        return answer

    lately = Lately(read, 3600.0)
    with pytest.raises(OSError, match="not now"):
        lately.get()
    assert lately.get() == 7
