"""People who ask for things and people who decide on them, on real databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from countenance.storage.database import Database
from countenance.storage.principals import Principal, Principals

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = timedelta(milliseconds=1)


class Party:
    """Principals by name."""

    def __init__(self, database: Database) -> None:
        principals = Principals(database)
        principals.create_organization("police", "law_enforcement")
        principals.create_organization("rescue", "child_protection")
        principals.create_organization("ombudsman", "oversight")
        self._principals = {
            name: principals.create(name, organization, trained_until=0.0)
            for name, organization in (
                ("sam", "police"),
                ("pat", "police"),
                ("kim", "police"),
                ("ann", "rescue"),
                ("olu", "ombudsman"),
            )
        }
        self._more = principals

    def __getitem__(self, name: str) -> Principal:
        return self._principals[name]

    def more(self, number: int) -> list[Principal]:
        """So many others, of the ombudsman."""
        return [self._more.create(f"other-{one}", "ombudsman", trained_until=0.0) for one in range(number)]


@pytest.fixture
def party(database: Database) -> Party:
    return Party(database)
