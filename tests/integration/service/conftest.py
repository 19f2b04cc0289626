"""The use cases on real databases, with a clock that tests can move, and people of several organizations."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from countenance.ledger import entries
from countenance.policy.vocabulary import OrganizationKind, Purpose
from countenance.service.administration import Administration
from countenance.service.callers import Caller
from countenance.settings import Settings

# When the tests' clock begins to stand still.
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **duration: float) -> None:
        """So much time goes by."""
        self.now += timedelta(**duration)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Settings of a new installation, on SQLite and on PostgreSQL."""
    url = None if database_url.startswith("sqlite") else database_url
    return Settings(data=tmp_path / "data", database_url=url)


@pytest.fixture
def administration(settings: Settings, clock: Clock) -> Iterator[Administration]:
    """Everything that needs no photo."""
    administration = Administration(settings, clock=clock)
    yield administration
    administration.close()


class People:
    """Organizations and their people; each may be asked for as a caller with a purpose."""

    def __init__(self, administration: Administration) -> None:
        self._administration = administration
        operator = administration.locals.caller()
        organizations = administration.organizations
        for name, kind in (
            ("police", OrganizationKind.LAW_ENFORCEMENT),
            ("rescue", OrganizationKind.CHILD_PROTECTION),
            ("library", OrganizationKind.COMMERCIAL),
            ("ombudsman", OrganizationKind.OVERSIGHT),
        ):
            organizations.create(operator, name, kind)
        trained = NOON + timedelta(days=365)
        for name, organization in (
            ("sam", "police"),
            ("pat", "police"),
            ("kim", "police"),
            ("ann", "rescue"),
            ("ben", "rescue"),
            ("liv", "library"),
            ("olu", "ombudsman"),
        ):
            organizations.create_principal(operator, name, organization, trained_until=trained)

    def __call__(self, name: str | None = None, purpose: Purpose = Purpose.PHOTO_LIBRARY, **context: str) -> Caller:
        """Somebody, acting for this purpose; `context` is as `Locals.caller` takes it."""
        return self._administration.locals.caller(name, purpose=purpose, **context)


@pytest.fixture
def people(administration: Administration) -> People:
    return People(administration)


def ledger_of(administration: Administration) -> list[entries.AnyEntry]:
    """All entries, oldest first."""
    ledger = administration.ledger
    return [entries.read(leaf) for leaf in ledger.entries(0, ledger.size())]
