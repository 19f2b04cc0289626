"""Authorizations: the documents that permit a use, from the request to their end.

    pending ──approved by enough others──► granted ──► expired, revoked
       │
       └────────refused──────────────────► refused      what was made under it is erased

An emergency may be used while it is pending, and is a debt: somebody else must approve it before its deadline. One
whose deadline has passed permits nothing and blocks every match of whoever asked for it until it is decided. It cannot
be revoked before that: nobody gets rid of a debt, and keeps what was made under it, by taking the request back.

Trust: whoever can write the database can grant an authorization; every grant that is made through the service is an
entry of the ledger, and a use under one that no entry grants shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from countenance.errors import AccessDenied, InvalidParameter, ResourceConflict, ResourceNotFound
from countenance.policy.requests import AuthorizationFacts
from countenance.policy.vocabulary import AuthorizationState, LegalBasis, Offence, Purpose
from countenance.storage import schema
from countenance.storage.database import Database
from countenance.storage.identities import Kind, new_uid
from countenance.storage.lately import Lately
from countenance.storage.principals import Organization, Principal

# The deadlines that the law knows: AI Act Art. 5(3) has 24 hours, Art. 26(10) and M.G.L. c. 6 § 220 have 48.
EMERGENCY_HOURS = (24, 48)

# What terms may be, and what the tables take.
MAX_CASE_REFERENCE = 255
MAX_APPROVALS = 100
MAX_USES = 1_000_000_000

# How long, in seconds, it is known without asking again which emergencies wait for a decision. One that another process
# asked for counts here within that time, long before its deadline; one that it decided on blocks so much longer.
EMERGENCIES_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked for. Times are UTC; `collections` are uids, none means any; `max_uses` None means any number."""

    purpose: Purpose
    basis: LegalBasis
    case_reference: str
    valid_from: datetime
    valid_until: datetime
    beneficiary: Organization
    offence: Offence | None = None
    targeted: bool = False
    collections: tuple[str, ...] = ()
    approvals_needed: int = 1
    max_uses: int | None = None
    deadline: datetime | None = None


@dataclass(frozen=True, slots=True)
class Authorization:
    """An authorization as it stood when it was read; `requester` and the organizations by uid.

    `state` is what it is at that time: one that was granted and whose time is over reads as expired.
    """

    uid: str
    state: AuthorizationState
    purpose: Purpose
    basis: LegalBasis
    case_reference: str
    offence: Offence | None
    targeted: bool
    requester: str
    organization: str
    beneficiary: str
    beneficiary_kind: str
    collections: tuple[str, ...]
    issued: datetime
    valid_from: datetime
    valid_until: datetime
    deadline: datetime | None
    overdue: bool
    approvals_needed: int
    approvals: int
    max_uses: int | None
    uses: int

    @property
    def facts(self) -> AuthorizationFacts:
        """What policies may ask for."""
        return AuthorizationFacts(
            id=self.uid,
            basis=self.basis,
            state=self.state,
            purpose=self.purpose,
            holder=self.organization,
            beneficiary=self.beneficiary,
            collections=frozenset(self.collections),
            offence=self.offence,
            targeted=self.targeted,
            issued=self.issued,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            deadline=self.deadline,
            approvals=self.approvals,
            uses_left=None if self.max_uses is None else max(0, self.max_uses - self.uses),
        )


class Authorizations:
    """The authorizations of a database. Every method takes the server's time, `now`. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._emergencies = Lately(self._waiting_emergencies, EMERGENCIES_SECONDS)

    def request(self, requester: Principal, terms: Terms, now: datetime) -> Authorization:
        """A new authorization, pending. Raises InvalidParameter for terms that contradict themselves."""
        if terms.valid_until <= terms.valid_from:
            raise InvalidParameter("An authorization must end after it begins.")
        if (terms.basis is LegalBasis.EMERGENCY) != (terms.deadline is not None):
            raise InvalidParameter("An emergency has a deadline by which it is approved, and nothing else has one.")
        if not 1 <= terms.approvals_needed <= MAX_APPROVALS:
            raise InvalidParameter(f"An authorization needs at least one approval, and {MAX_APPROVALS} at most.")
        if terms.max_uses is not None and not 1 <= terms.max_uses <= MAX_USES:
            raise InvalidParameter(f"An authorization permits at least one use; a limit is {MAX_USES:,} at most.")
        reference = terms.case_reference
        if not reference.strip() or not reference.isprintable() or len(reference) > MAX_CASE_REFERENCE:
            raise InvalidParameter(f"A case reference is a line of text of at most {MAX_CASE_REFERENCE} characters.")
        uid = new_uid(Kind.AUTHORIZATION)
        with self._changes() as connection:
            connection.execute(
                insert(schema.authorizations).values(
                    uid=uid,
                    basis=terms.basis,
                    state=AuthorizationState.PENDING,
                    purpose=terms.purpose,
                    case_reference=terms.case_reference,
                    offence=terms.offence,
                    targeted=terms.targeted,
                    organization_key=requester.organization.key,
                    requester_key=requester.key,
                    beneficiary_key=terms.beneficiary.key,
                    collections=" ".join(terms.collections),
                    issued_at=now.timestamp(),
                    valid_from=terms.valid_from.timestamp(),
                    valid_until=terms.valid_until.timestamp(),
                    deadline=None if terms.deadline is None else terms.deadline.timestamp(),
                    overdue=False,
                    approvals_needed=terms.approvals_needed,
                    max_uses=terms.max_uses,
                    uses=0,
                )
            )
            return _get(connection, uid, now)

    def decide(self, uid: str, decider: Principal, now: datetime, *, approved: bool) -> Authorization:
        """Somebody approves or refuses: granted once enough have approved, refused at the first refusal.

        One that is approved after its time is over comes back as granted, which paid what it owed, and is expired then.
        Raises ResourceNotFound; AccessDenied for whoever asked for it, and whoever has approved it already;
        ResourceConflict for one that is not pending.
        """
        with self._changes() as connection:
            row = _row(connection, uid)
            if row.requester_key == decider.key:
                raise AccessDenied("Whoever asks for an authorization cannot decide on it: another person must.")
            state = _state(row, now)
            if state is not AuthorizationState.PENDING:
                raise ResourceConflict(f"The authorization {uid} is {state} and cannot be decided on any more.")
            decided = schema.approvals
            own = decided.c.authorization_key == row.key, decided.c.principal_key == decider.key
            if connection.execute(select(decided.c.at).where(*own)).first() is not None:
                raise AccessDenied("You have approved this authorization already: another person must as well.")
            connection.execute(
                insert(decided).values(
                    authorization_key=row.key, principal_key=decider.key, approved=approved, at=now.timestamp()
                )
            )
            count = select(func.count()).where(decided.c.authorization_key == row.key, decided.c.approved)
            enough = connection.execute(count).scalar_one() >= row.approvals_needed
            if not approved:
                _set(connection, row.key, AuthorizationState.REFUSED)
            elif enough:
                _set(connection, row.key, AuthorizationState.GRANTED)
                return replace(_get(connection, uid, now), state=AuthorizationState.GRANTED)
            return _get(connection, uid, now)

    def revoke(self, uid: str, now: datetime) -> Authorization:
        """Ends one that is granted or pending; but for a pending emergency, which is approved or refused.

        Raises ResourceNotFound, ResourceConflict.
        """
        with self._changes() as connection:
            row = _row(connection, uid)
            state = _state(row, now)
            if state not in {AuthorizationState.GRANTED, AuthorizationState.PENDING}:
                raise ResourceConflict(f"The authorization {uid} is {state} already.")
            if state is AuthorizationState.PENDING and row.deadline is not None:
                raise ResourceConflict(
                    f"The authorization {uid} is an emergency that waits for a decision: another person must approve "
                    "or refuse it."
                )
            _set(connection, row.key, AuthorizationState.REVOKED)
            return _get(connection, uid, now)

    def get(self, uid: str, now: datetime) -> Authorization:
        """Raises ResourceNotFound."""
        with self._database.read() as connection:
            return _get(connection, uid, now)

    def find(self, uid: str, now: datetime) -> Authorization | None:
        """The authorization, or None."""
        with self._database.read() as connection:
            row = connection.execute(_select().where(schema.authorizations.c.uid == uid)).one_or_none()
        return None if row is None else _authorization(row, now)

    def list(self, now: datetime) -> Sequence[Authorization]:
        """All, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(_select().order_by(schema.authorizations.c.key)).all()
        return [_authorization(row, now) for row in rows]

    def take(self, uid: str) -> bool:
        """Count one use; False, and nothing counted, when none is left."""
        authorizations = schema.authorizations
        left = authorizations.c.max_uses.is_(None) | (authorizations.c.uses < authorizations.c.max_uses)
        with self._database.write() as connection:
            counted = connection.execute(
                update(authorizations).where(authorizations.c.uid == uid, left).values(uses=authorizations.c.uses + 1)
            )
        return counted.rowcount == 1

    def debts(self, principal: Principal, now: datetime) -> int:
        """Emergencies that the principal asked for, whose deadline has passed undecided."""
        at = now.timestamp()
        return sum(key == principal.key and deadline < at for key, deadline in self._emergencies.get())

    def fall_due(self, now: datetime) -> Sequence[Authorization]:
        """Those that came to the end of their time, or of their deadline, since this was last asked: each is told once.

        Granted ones become expired; emergencies stay pending, and overdue, until they are decided.
        """
        authorizations = schema.authorizations
        with self._database.write() as connection:
            over = connection.execute(
                update(authorizations)
                .where(
                    authorizations.c.state == AuthorizationState.GRANTED,
                    authorizations.c.valid_until <= now.timestamp(),
                )
                .values(state=AuthorizationState.EXPIRED)
                .returning(authorizations.c.uid)
            ).scalars()
            owed = connection.execute(
                update(authorizations)
                .where(*_owed(now), authorizations.c.overdue.is_(False))
                .values(overdue=True)
                .returning(authorizations.c.uid)
            ).scalars()
            return [_get(connection, uid, now) for uid in [*over, *owed]]

    @contextmanager
    def _changes(self) -> Iterator[Connection]:
        """What is written here counts here at once."""
        with self._database.write() as connection:
            yield connection
        self._emergencies.forget()

    def _waiting_emergencies(self) -> Sequence[tuple[int, float]]:
        """The emergencies that nobody has decided on: the key of who asked for each, and its deadline."""
        authorizations = schema.authorizations
        query = select(authorizations.c.requester_key, authorizations.c.deadline).where(
            authorizations.c.state == AuthorizationState.PENDING, authorizations.c.deadline.is_not(None)
        )
        with self._database.read() as connection:
            return [(requester, deadline) for requester, deadline in connection.execute(query)]


def _owed(now: datetime) -> tuple[Any, ...]:
    authorizations = schema.authorizations
    return (
        authorizations.c.state == AuthorizationState.PENDING,
        authorizations.c.deadline.is_not(None),
        authorizations.c.deadline < now.timestamp(),
    )


def _set(connection: Connection, key: int, state: AuthorizationState) -> None:
    own = schema.authorizations.c.key == key
    connection.execute(update(schema.authorizations).where(own).values(state=state))


def _select() -> Select[Any]:
    authorizations, approvals = schema.authorizations, schema.approvals
    holders, beneficiaries = schema.organizations.alias("holders"), schema.organizations.alias("beneficiaries")
    approved = (
        select(func.count())
        .where(approvals.c.authorization_key == authorizations.c.key, approvals.c.approved)
        .scalar_subquery()
    )
    return select(
        authorizations,
        schema.principals.c.uid.label("requester"),
        holders.c.uid.label("organization"),
        beneficiaries.c.uid.label("beneficiary"),
        beneficiaries.c.kind.label("beneficiary_kind"),
        approved.label("approvals"),
    ).select_from(
        authorizations.join(schema.principals, authorizations.c.requester_key == schema.principals.c.key)
        .join(holders, authorizations.c.organization_key == holders.c.key)
        .join(beneficiaries, authorizations.c.beneficiary_key == beneficiaries.c.key)
    )


def _row(connection: Connection, uid: str) -> Row[Any]:
    row = connection.execute(_select().where(schema.authorizations.c.uid == uid)).one_or_none()
    if row is None:
        raise ResourceNotFound(f"There is no authorization {uid}: countenance authorization list names them all.")
    return row


def _get(connection: Connection, uid: str, now: datetime) -> Authorization:
    return _authorization(_row(connection, uid), now)


def _state(row: Row[Any], now: datetime) -> AuthorizationState:
    state = AuthorizationState(row.state)
    over = state is AuthorizationState.GRANTED and row.valid_until <= now.timestamp()
    return AuthorizationState.EXPIRED if over else state


def _authorization(row: Row[Any], now: datetime) -> Authorization:
    return Authorization(
        uid=row.uid,
        state=_state(row, now),
        purpose=Purpose(row.purpose),
        basis=LegalBasis(row.basis),
        case_reference=row.case_reference,
        offence=None if row.offence is None else Offence(row.offence),
        targeted=row.targeted,
        requester=row.requester,
        organization=row.organization,
        beneficiary=row.beneficiary,
        beneficiary_kind=row.beneficiary_kind,
        collections=tuple(row.collections.split()),
        issued=_time(row.issued_at),
        valid_from=_time(row.valid_from),
        valid_until=_time(row.valid_until),
        deadline=None if row.deadline is None else _time(row.deadline),
        overdue=row.overdue,
        approvals_needed=row.approvals_needed,
        approvals=row.approvals,
        max_uses=row.max_uses,
        uses=row.uses,
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
