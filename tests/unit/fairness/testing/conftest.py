"""A scripted server, and a key for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from countenance.fairness.testing import door
from tests.unit.fairness.testing.scripted import Scripted, serving


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setattr(door, "WAIT_SECONDS", 0.0)
    with serving() as scripted:
        yield scripted
