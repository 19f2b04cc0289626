"""Ledgers on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from countenance.storage.database import Database
from countenance.storage.ledger_schema import LEDGER


@pytest.fixture
def ledger_url(database_url: str, tmp_path: Path) -> str:
    """The URL of the ledger's database, empty: a SQLite file of its own, or the same PostgreSQL database."""
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}" if database_url.startswith("sqlite") else database_url


@pytest.fixture
def ledger_database(ledger_url: str) -> Iterator[Database]:
    """A database with the ledger's tables."""
    database = Database(ledger_url, LEDGER)
    database.migrate()
    yield database
    database.close()
