"""The qualifications of a database: what was judged, what came of it, and the signed statements.

Trust: whoever can write this table can take a qualification away, or bring a revoked one back. They cannot make one: a
statement counts only with the signature of the log's key and the ledger's entry that announces it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, insert, select, update

from countenance.errors import ResourceConflict, ResourceNotFound
from countenance.policy.vocabulary import Purpose
from countenance.storage import schema
from countenance.storage.database import Database
from countenance.storage.principals import Principal


class State(StrEnum):
    """Where a qualification stands."""

    QUALIFIED = "qualified"
    REFUSED = "refused"
    WAIVED = "waived"
    REVOKED = "revoked"


# Those that let a model serve.
SERVING = (State.QUALIFIED, State.WAIVED)


@dataclass(frozen=True, slots=True)
class Qualification:
    """A judgement and what became of it. `threshold` is a Similarity; `judge` the uid of whoever had it judged.

    `report` is the SHA-256 of the report. `statement` is the signed note and `entry` the index of the ledger's entry
    that announces it; both None, as is `valid_until`, where it never served.
    """

    uid: str
    state: State
    face_model_version: str
    purpose: Purpose
    threshold: float
    report: str
    reasons: tuple[str, ...]
    judged: datetime
    judge: str
    valid_until: datetime | None = None
    statement: str | None = None
    entry: int | None = None


class Qualifications:
    """The table. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, judged: Qualification, judge: Principal) -> None:
        """Keep a judgement that `judge` asked for."""
        with self._database.write() as connection:
            connection.execute(
                insert(schema.qualifications).values(
                    uid=judged.uid,
                    face_model_version=judged.face_model_version,
                    purpose=judged.purpose,
                    threshold=judged.threshold,
                    report=judged.report,
                    reasons="\n".join(judged.reasons),
                    judged_at=judged.judged.timestamp(),
                    judge_key=judge.key,
                    **_standing(judged),
                )
            )

    def change(self, changed: Qualification, before: State) -> None:
        """Keep what became of one that was in state `before`. Raises ResourceConflict when it is no longer."""
        own = schema.qualifications.c.uid == changed.uid, schema.qualifications.c.state == before
        with self._database.write() as connection:
            done = connection.execute(update(schema.qualifications).where(*own).values(**_standing(changed)))
            if done.rowcount != 1:
                raise ResourceConflict(f"The qualification {changed.uid} was changed meanwhile: look at it again.")

    def get(self, uid: str) -> Qualification:
        """Raises ResourceNotFound."""
        with self._database.read() as connection:
            found = _found(connection, _SELECT.where(schema.qualifications.c.uid == uid))
        if not found:
            raise ResourceNotFound(
                f"There is no qualification {uid}: countenance fairness qualifications names them all."
            )
        return found[0]

    def list(self) -> Sequence[Qualification]:
        """All, oldest first."""
        with self._database.read() as connection:
            return _found(connection, _SELECT)

    def last(self, face_model_version: str, purpose: Purpose) -> Qualification | None:
        """The one that was judged last for a face model and a purpose, whatever came of it."""
        table = schema.qualifications
        query = _SELECT.where(table.c.face_model_version == face_model_version, table.c.purpose == purpose)
        with self._database.read() as connection:
            found = _found(connection, query.order_by(None).order_by(table.c.key.desc()).limit(1))
        return found[0] if found else None

    def announced(self) -> Sequence[tuple[str, int]]:
        """The statements that were not revoked, none of them verified, with the index of the entry of each."""
        rows = self._database.ask(_ANNOUNCED, states=[str(state) for state in SERVING])
        return [(note, entry) for note, entry in rows]


_SELECT: Select[Any] = (
    select(schema.qualifications, schema.principals.c.uid.label("judge"))
    .join(schema.principals, schema.qualifications.c.judge_key == schema.principals.c.key)
    .order_by(schema.qualifications.c.key)
)

# Made once: matches read by it.
_ANNOUNCED = select(schema.qualifications.c.statement, schema.qualifications.c.entry).where(
    schema.qualifications.c.state.in_(bindparam("states", expanding=True)),
    schema.qualifications.c.statement.is_not(None),
    schema.qualifications.c.entry.is_not(None),
)


def _standing(one: Qualification) -> dict[str, object]:
    """What changes about a qualification."""
    return {
        "state": one.state,
        "valid_until": None if one.valid_until is None else one.valid_until.timestamp(),
        "statement": one.statement,
        "entry": one.entry,
    }


def _found(connection: Connection, query: Select[Any]) -> list[Qualification]:
    return [_qualification(row) for row in connection.execute(query)]


def _qualification(row: Row[Any]) -> Qualification:
    return Qualification(
        uid=row.uid,
        state=State(row.state),
        face_model_version=row.face_model_version,
        purpose=Purpose(row.purpose),
        threshold=row.threshold,
        report=row.report,
        reasons=tuple(row.reasons.split("\n")) if row.reasons else (),
        judged=datetime.fromtimestamp(row.judged_at, UTC),
        judge=row.judge,
        valid_until=None if row.valid_until is None else datetime.fromtimestamp(row.valid_until, UTC),
        statement=row.statement,
        entry=row.entry,
    )
