"""Ledgers on both databases."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from countenance.ledger import checkpoints
from countenance.ledger.checkpoints import Checkpoint
from countenance.ledger.cosigning import Witness
from countenance.ledger.entries import Actor, Decision, Deletion, Entry, Intent, Outcome
from countenance.ledger.keys import KeyFile
from countenance.ledger.log import Ledger, utc_now
from countenance.ledger.notes import Verifier
from countenance.ledger.published import PublishedLog
from countenance.ledger.verify import Report, verify
from countenance.storage.database import Database
from countenance.storage.ledger_schema import LEDGER

NAME = "example.org/ledger"


class Clock:
    """A clock that can be set."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


class Installation:
    """Where a ledger is kept, and everybody who has it open."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder / "ledger"
        self.key = folder / "ledger.key"
        self._open: list[tuple[Ledger, Database]] = []

    def open(self, *, clock: Clock | None = None, witnesses: Iterable[Witness] = ()) -> Ledger:
        """As a process does that starts: a database and a ledger of its own."""
        database = Database(self.url, LEDGER)
        try:
            database.migrate()
            keys = KeyFile(self.key, name=NAME)
            ledger = Ledger(database, self.folder, keys, clock=clock or utc_now, witnesses=witnesses)
        except BaseException:
            database.close()
            raise
        self._open.append((ledger, database))
        return ledger

    def close(self) -> None:
        """As if every process ended."""
        while self._open:
            ledger, database = self._open.pop()
            ledger.close()
            database.close()

    def published(self) -> Checkpoint:
        """The published checkpoint, verified."""
        verifier = Verifier.from_vkey(self.key.with_suffix(".vkey").read_text().strip())
        return checkpoints.verified((self.folder / "checkpoint").read_bytes(), [verifier]).checkpoint

    def verified(self, *vkeys: str) -> Report:
        """What somebody finds who has the log's key, or an earlier one, and the published folder."""
        trusted = vkeys or (self.key.with_suffix(".vkey").read_text().strip(),)
        with PublishedLog.at(str(self.folder)) as log:
            return verify(log, [Verifier.from_vkey(vkey) for vkey in trusted])


def use() -> str:
    """A new use."""
    return f"u-{uuid.uuid4().hex}"


def erasure(faces: int = 0) -> Entry:
    """A short entry that belongs to no use."""
    return Deletion(reason="retention", faces=faces)


def intended(name: str) -> list[Entry]:
    """What is added before something is done."""
    actor = Actor(
        principal=f"p-{1:032x}",
        organization=f"o-{1:032x}",
        organization_kind="child_protection",
        role="member",
        credential="access_key",
    )
    return [
        Intent(use=name, action="SearchFaces", actor=actor, purpose="missing_person", software="1.0.0"),
        Decision(use=name, effect="allow", policy_set="0" * 64),
    ]


def closing(name: str) -> list[Entry]:
    """What is added when it was done."""
    return [Outcome(use=name, candidates=())]


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


@pytest.fixture
def installation(ledger_url: str, tmp_path: Path) -> Iterator[Installation]:
    """A place for a ledger that has not been begun."""
    installation = Installation(ledger_url, tmp_path)
    yield installation
    installation.close()


@pytest.fixture
def clock() -> Clock:
    """A clock that is right until it is set."""
    return Clock()
