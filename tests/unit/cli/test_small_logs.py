"""The log of small commands has the lines of the other one."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from countenance.cli import small_logs


class Terminal(io.StringIO):
    """A stderr that somebody reads."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO, *, everything: bool = True) -> str:
    monkeypatch.setattr(sys, "stderr", stderr)
    small_logs.configure(everything=everything)
    log = logging.getLogger("countenance.tests")
    log.info("request", extra={"fields": {"client": "127.0.0.1"}})
    try:
        raise ValueError("wrong")
    except ValueError:
        log.warning("it broke", exc_info=True)
    return stderr.getvalue()


def test_json_for_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = map(json.loads, logged(monkeypatch, io.StringIO()).splitlines())
    assert (first["event"], first["level"], first["client"]) == ("request", "info", "127.0.0.1")
    assert first["timestamp"].endswith("Z")
    assert "ValueError: wrong" in second["exception"]


def test_readable_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    said = logged(monkeypatch, Terminal())
    assert "[info    ] request client='127.0.0.1'\n" in said
    assert "ValueError: wrong" in said


def test_warnings_only_unless_everything_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "request" not in logged(monkeypatch, io.StringIO(), everything=False)
