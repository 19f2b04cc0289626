"""Cases: candidates that are withheld until enough people, each without seeing what the others found, confirmed them.

    open ──every candidate judged by `required` people──► confirmed (at least one by all of them) ──► disclosed
                                                     └──► rejected (none)

The one who searched does not judge. What is disclosed are the confirmed candidates alone, to the organization that
searched. No photo is kept here: reviewers look at the originals, which the candidates' ids lead to.

Trust: whoever can write the database can add verdicts; each verdict that is given through the service is an entry of
the ledger with the person who gave it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from countenance.errors import AccessDenied, InvalidParameter, ResourceConflict, ResourceNotFound
from countenance.storage import schema
from countenance.storage.database import Database
from countenance.storage.identities import Kind, new_uid
from countenance.storage.principals import Principal

Subject = Mapping[str, Any]


class CaseState(StrEnum):
    """Where a case stands."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    DISCLOSED = "disclosed"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One candidate: its place by descending Similarity (0 to 100), and how the answer would have named it."""

    place: int
    similarity: float
    subject: Subject


@dataclass(frozen=True, slots=True)
class Case:
    """A case as it stood when it was read. `judged` is the number of people who judged it so far, `agreed` that of the
    candidates whom all of them confirmed, 0 while it is open."""

    uid: str
    use: str
    action: str
    state: CaseState
    required: int
    judged: int
    requester: str
    organization: str
    opened: datetime
    due: datetime | None
    agreed: int


@dataclass(frozen=True, slots=True)
class Withheld:
    """What is to be reviewed, and by how many; `authorization` a uid, `due` when it must be gone."""

    use: str
    action: str
    requester: Principal
    required: int
    candidates: Sequence[tuple[float, Subject]]
    authorization: str | None
    due: datetime | None


class Cases:
    """The review cases of a database. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, withheld: Withheld, now: datetime) -> str:
        """Keep candidates for review; the uid of the case."""
        cases, uid = schema.review_cases, new_uid(Kind.REVIEW)
        with self._database.write() as connection:
            statement = insert(cases).values(
                uid=uid,
                use=withheld.use,
                action=withheld.action,
                state=CaseState.OPEN,
                required=withheld.required,
                requester_key=withheld.requester.key,
                organization_key=withheld.requester.organization.key,
                authorization=withheld.authorization,
                opened_at=now.timestamp(),
                due_at=None if withheld.due is None else withheld.due.timestamp(),
            )
            key = connection.execute(statement.returning(cases.c.key)).scalar_one()
            connection.execute(
                insert(schema.review_candidates),
                [
                    {"case_key": key, "place": place, "similarity": similarity, "subject": json.dumps(subject)}
                    for place, (similarity, subject) in enumerate(withheld.candidates)
                ],
            )
        return uid

    def list(self) -> Sequence[Case]:
        """All, oldest first."""
        with self._database.read() as connection:
            return [_case(connection, row) for row in connection.execute(_select().order_by(schema.review_cases.c.key))]

    def get(self, uid: str) -> tuple[Case, Sequence[Candidate]]:
        """A case and its candidates, without anybody's verdicts. Raises ResourceNotFound."""
        with self._database.read() as connection:
            row = _row(connection, uid)
            return _case(connection, row), _candidates(connection, row.key)

    def judge(self, uid: str, reviewer: Principal, confirmed: frozenset[int], now: datetime) -> Case:
        """One person's verdicts on all candidates at once: those at the places `confirmed` are the person, others not.

        Raises ResourceNotFound, AccessDenied for the one who searched and for a second verdict of the same person,
        InvalidParameter for places that are not there, ResourceConflict when the case is closed.
        """
        verdicts = schema.review_verdicts
        with self._database.write() as connection:
            row = _row(connection, uid)
            if row.requester_key == reviewer.key:
                raise AccessDenied("Whoever searched cannot review what was found: another person must.")
            if row.state != CaseState.OPEN:
                raise ResourceConflict(f"The case {uid} is {row.state}: nothing is left to review.")
            given = verdicts.c.case_key == row.key
            if connection.execute(select(verdicts.c.at).where(given, verdicts.c.principal_key == reviewer.key)).first():
                raise AccessDenied("You have reviewed this case already: another person must as well.")
            places = {candidate.place for candidate in _candidates(connection, row.key)}
            if not confirmed <= places:
                raise InvalidParameter(f"The case has candidates 0 to {len(places) - 1}; others cannot be confirmed.")
            connection.execute(
                insert(verdicts),
                [
                    {
                        "case_key": row.key,
                        "place": place,
                        "principal_key": reviewer.key,
                        "confirmed": place in confirmed,
                        "at": now.timestamp(),
                    }
                    for place in sorted(places)
                ],
            )
            if _judged(connection, row.key) >= row.required:
                state = CaseState.CONFIRMED if _confirmed(connection, row) else CaseState.REJECTED
                _set(connection, row.key, state)
            return _case(connection, _row(connection, uid))

    def tallies(self, uid: str, *, but: Principal) -> Sequence[tuple[int, int]]:
        """How many candidates each reviewer but this one confirmed and rejected, in the order they came.

        Raises ResourceNotFound.
        """
        verdicts = schema.review_verdicts
        with self._database.read() as connection:
            row = _row(connection, uid)
            query = select(verdicts.c.principal_key, verdicts.c.confirmed).where(
                verdicts.c.case_key == row.key, verdicts.c.principal_key != but.key
            )
            said: dict[int, list[bool]] = {}
            for reviewer, confirmed in connection.execute(query.order_by(verdicts.c.at, verdicts.c.place)):
                said.setdefault(reviewer, []).append(confirmed)
        return [(sum(one), len(one) - sum(one)) for one in said.values()]

    def disclose(self, uid: str, principal: Principal) -> tuple[Case, Sequence[Candidate]]:
        """The candidates that all reviewers confirmed, for somebody of the organization that searched.

        Raises ResourceNotFound, AccessDenied for another organization, ResourceConflict while the review goes on.
        """
        with self._database.write() as connection:
            row = _row(connection, uid)
            if row.organization_key != principal.organization.key:
                raise AccessDenied("The case belongs to another organization.")
            if row.state == CaseState.OPEN:
                missing = row.required - _judged(connection, row.key)
                raise ResourceConflict(f"The case {uid} still needs the review of {missing} more.")
            if row.state == CaseState.CONFIRMED:
                _set(connection, row.key, CaseState.DISCLOSED)
            places = _confirmed(connection, row)
            found = [candidate for candidate in _candidates(connection, row.key) if candidate.place in places]
            return _case(connection, _row(connection, uid)), found

    def due(self, now: datetime) -> Sequence[Case]:
        """Those whose time is up."""
        with self._database.read() as connection:
            over = _select().where(schema.review_cases.c.due_at <= now.timestamp())
            return [_case(connection, row) for row in connection.execute(over)]

    def under(self, authorization: str) -> Sequence[Case]:
        """Those that were opened under an authorization."""
        with self._database.read() as connection:
            found = _select().where(schema.review_cases.c.authorization == authorization)
            return [_case(connection, row) for row in connection.execute(found)]

    def authorizations(self) -> frozenset[str]:
        """Those that cases were opened under, by uid."""
        authorization = schema.review_cases.c.authorization
        with self._database.read() as connection:
            found = connection.execute(select(authorization).where(authorization.is_not(None)).distinct())
            return frozenset(found.scalars())

    def erase(self, uid: str) -> bool:
        """Forget a case with its candidates and verdicts; False for one that is gone already."""
        with self._database.write(erases=True) as connection:
            key = connection.execute(
                select(schema.review_cases.c.key).where(schema.review_cases.c.uid == uid)
            ).scalar_one_or_none()
            if key is None:
                return False
            for table in (schema.review_verdicts, schema.review_candidates):
                connection.execute(delete(table).where(table.c.case_key == key))
            connection.execute(delete(schema.review_cases).where(schema.review_cases.c.key == key))
        return True


def _select() -> Any:
    cases, principals, organizations = schema.review_cases, schema.principals, schema.organizations
    return select(cases, principals.c.uid.label("requester"), organizations.c.uid.label("organization")).select_from(
        cases.join(principals, cases.c.requester_key == principals.c.key).join(
            organizations, cases.c.organization_key == organizations.c.key
        )
    )


def _row(connection: Connection, uid: str) -> Row[Any]:
    row: Row[Any] | None = connection.execute(_select().where(schema.review_cases.c.uid == uid)).one_or_none()
    if row is None:
        raise ResourceNotFound(f"There is no review case {uid}: countenance review list names those there are.")
    return row


def _set(connection: Connection, key: int, state: CaseState) -> None:
    own = schema.review_cases.c.key == key
    connection.execute(update(schema.review_cases).where(own).values(state=state))


def _judged(connection: Connection, key: int) -> int:
    verdicts = schema.review_verdicts
    count = select(func.count(verdicts.c.principal_key.distinct())).where(verdicts.c.case_key == key)
    return int(connection.execute(count).scalar_one())


def _confirmed(connection: Connection, row: Row[Any]) -> frozenset[int]:
    """The places that as many people as are required confirmed, and nobody rejected."""
    verdicts = schema.review_verdicts
    given: dict[int, list[bool]] = {}
    query = select(verdicts.c.place, verdicts.c.confirmed).where(verdicts.c.case_key == row.key)
    for place, confirmed in connection.execute(query):
        given.setdefault(place, []).append(confirmed)
    return frozenset(place for place, said in given.items() if all(said) and len(said) >= row.required)


def _candidates(connection: Connection, key: int) -> Sequence[Candidate]:
    candidates = schema.review_candidates
    query = select(candidates).where(candidates.c.case_key == key).order_by(candidates.c.place)
    return [Candidate(row.place, row.similarity, json.loads(row.subject)) for row in connection.execute(query)]


def _case(connection: Connection, row: Row[Any]) -> Case:
    return Case(
        uid=row.uid,
        use=row.use,
        action=row.action,
        state=CaseState(row.state),
        required=row.required,
        judged=_judged(connection, row.key),
        requester=row.requester,
        organization=row.organization,
        opened=datetime.fromtimestamp(row.opened_at, UTC),
        due=None if row.due_at is None else datetime.fromtimestamp(row.due_at, UTC),
        agreed=0 if row.state == CaseState.OPEN else len(_confirmed(connection, row)),
    )
