"""Salts: what makes a commitment in the ledger openable, until it is destroyed.

A commitment is HMAC-SHA-256 (FIPS 198-1) under a random salt. Whoever has the ledger alone learns nothing from it, and
once the salt is gone nobody does. Trust: whoever can read this table can confirm which enrolled face a candidate was;
whoever can write it can make commitments unopenable, which shows, and cannot make them open to something else.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import Connection, bindparam, insert, select, update

from countenance.storage import schema
from countenance.storage.database import Database

SALT_BYTES = 16

# What stands in place of a destroyed salt. Rows are overwritten and never deleted: SQLite moves rows when it deletes
# some, and may leave copies of them in unused parts of pages; a value of the same length is overwritten where it is.
DESTROYED = bytes(SALT_BYTES)

# Databases take some thousand parameters in one statement.
AT_ONCE = 500


class Salts:
    """The salts of a database, one for each subject. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, subjects: Sequence[str]) -> Mapping[str, bytes]:
        """The salts of these subjects, made where there are none yet. A destroyed one stays away: it is not given."""
        found = self._known(subjects)
        missing = [subject for subject in dict.fromkeys(subjects) if subject not in found]
        if missing:
            with self._database.write() as connection:
                since = _find(connection, missing)
                new = {subject: os.urandom(SALT_BYTES) for subject in missing if subject not in since}
                if new:
                    rows = [{"subject": subject, "salt": salt} for subject, salt in new.items()]
                    connection.execute(insert(schema.salts), rows)
            found |= since | new
        return {subject: salt for subject, salt in found.items() if salt != DESTROYED}

    def find(self, subjects: Sequence[str]) -> Mapping[str, bytes]:
        """Those of the salts that are there, without making any."""
        return {subject: salt for subject, salt in self._known(subjects).items() if salt != DESTROYED}

    def _known(self, subjects: Iterable[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for some in _batches(list(dict.fromkeys(subjects))):
            found |= dict(self._database.ask(_OF_SUBJECTS, subjects=some))
        return found


def commitment(salt: bytes, *parts: str) -> str:
    """HMAC-SHA-256 of the parts, in hex; which part ends where is part of it."""
    message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hmac.digest(salt, message, "sha256").hex()


def destroy(connection: Connection, subjects: Iterable[str]) -> None:
    """Overwrites the salts of these subjects, within the transaction that deletes what they are of."""
    for some in _batches(list(subjects)):
        own = schema.salts.c.subject.in_(some)
        connection.execute(update(schema.salts).where(own).values(salt=DESTROYED))


def face_subject(key: int) -> str:
    """What the salt of a face is kept under."""
    return f"face:{key}"


def user_subject(key: int) -> str:
    """What the salt of a user is kept under."""
    return f"user:{key}"


def case_subject(organization: str, reference: str) -> str:
    """What the salt of a case is kept under: a digest, since a reference may be as long as it likes."""
    return f"case:{hmac.digest(organization.encode(), reference.encode(), 'sha256').hex()}"


# Made once: every search that finds somebody reads by it.
_OF_SUBJECTS = select(schema.salts.c.subject, schema.salts.c.salt).where(
    schema.salts.c.subject.in_(bindparam("subjects", expanding=True))
)


def _find(connection: Connection, subjects: Iterable[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for some in _batches(list(dict.fromkeys(subjects))):
        found |= dict(connection.execute(_OF_SUBJECTS, {"subjects": some}).all())
    return found


def _batches(subjects: list[str]) -> Iterator[list[str]]:
    return (subjects[start : start + AT_ONCE] for start in range(0, len(subjects), AT_ONCE))
