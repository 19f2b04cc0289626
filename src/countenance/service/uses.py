"""Every use passes here, and there is no other way: decided before the work, recorded before the answer.

    intent and decision committed ──► the work ──► outcome committed ──► the answer, with its receipt

The intent and the decision are one commit: both stand in the ledger, in this order, before anything is compared. A
crash after it leaves an intent without an outcome, which everybody can see. Where the ledger cannot be written nothing
is done, and what was done is not answered. The server's own log has ids, counts, thresholds and versions: never a
photo, a template or a face's name.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog

from countenance import __version__
from countenance.errors import AccessDenied, CountenanceError, ResourceNotFound
from countenance.gallery.collections import Collection, Collections
from countenance.gallery.faces import Kept
from countenance.ledger.entries import Entry
from countenance.ledger.log import Ledger
from countenance.policy.authorizations import Authorization, Authorizations
from countenance.policy.decisions import Obligations
from countenance.policy.gate import Gate, Verdict
from countenance.policy.requests import (
    CollectionFacts,
    OrganizationFacts,
    PrincipalFacts,
    QualificationFacts,
    RequestFacts,
)
from countenance.policy.vocabulary import OrganizationKind, Purpose, Sensitivity
from countenance.review.cases import Cases
from countenance.service.actions import DECIDED_AS, MATCHES, WITHHOLDS, Action
from countenance.service.callers import Caller
from countenance.service.denials import denial, is_unqualified, sentence
from countenance.service.pins import Pins
from countenance.service.qualified import Qualified
from countenance.service.records import Candidate, Fact, Record, decision_entry, intent_entry, retain_until
from countenance.storage.principals import Organization
from countenance.storage.salts import Salts, case_subject, commitment

if TYPE_CHECKING:
    from countenance.vision.images import Photo

# How old a witness's cosignature may be, in seconds, to count as one that policies can ask for.
WITNESSED_SECONDS = 600.0

log = structlog.get_logger("countenance.uses")


@dataclass
class Answer:
    """What an answer carries beside itself: the index of its entry in the ledger, the case that withholds its matches,
    the threshold (Similarity, 0 to 100) that policy raised the asked one to."""

    receipt: int | None = None
    review: str | None = None
    threshold: float | None = None


_answer: ContextVar[Answer | None] = ContextVar("answer", default=None)


@contextmanager
def released() -> Iterator[Answer]:
    """What the uses inside this block leave for their answer; of several, the last."""
    answer = Answer()
    token = _answer.set(answer)
    try:
        yield answer
    finally:
        _answer.reset(token)


class Use:
    """One permitted use, while it is carried out. What it owes is kept here, what it comes to is told here.

    `threshold` (0 to 100) and `limit` are those to work with: what was asked for, as far as the decision allows.
    """

    def __init__(
        self, record: Record, found: Collection | None, obligations: Obligations, cases: Cases, pins: Pins
    ) -> None:
        self.record = record
        self.obligations = obligations
        self._pins = pins
        self.threshold = _at_least(record.threshold, obligations.threshold_floor)
        self.limit = _at_most(record.limit, obligations.candidate_cap)
        self._collection = found
        self._cases = cases
        self.is_over = True

    @property
    def id(self) -> str:
        """What the ledger knows it by."""
        return self.record.use

    @property
    def collection(self) -> Collection:
        """The collection that is acted on. Raises `ResourceNotFound`."""
        if self._collection is None:
            raise ResourceNotFound(f"The collection id: {self.record.resource} does not exist")
        return self._collection

    def state(self, **facts: Fact) -> None:
        """Add facts to the server's log. Ids, counts, scores and versions only."""
        self.record.facts.update(facts)

    def details(self, **details: Any) -> None:
        """What the entry that closes the use has beyond what all have; the log has it too where it is a plain value."""
        self.record.details.update(details)
        self.state(**{name: value for name, value in details.items() if isinstance(value, Fact)})

    def saw(self, number: int) -> None:
        """How many faces, users, collections or keys were answered."""
        self.details(faces=number)

    def enrolled(self, faces: int, unindexed: int = 0) -> None:
        """How many faces were put into the collection, and how many were not."""
        self.details(faces=faces, unindexed=unindexed)

    def erased(self, *, faces: int = 0, users: int = 0, collections: int = 0) -> None:
        """How much was deleted."""
        self.details(faces=faces, users=users, collections=collections)

    def kept_until(self, authorization: str | None) -> Kept | None:
        """Under which conditions what is enrolled may stay; None when there is none."""
        until, told = retain_until(self.record, self.obligations.retention_days)
        self.record.details["retain_until"] = told
        if authorization is None and until is None:
            return None
        return Kept(authorization, None if until is None else until.timestamp())

    def looked_at(self, *photos: Photo) -> None:
        """Photos whose faces the use is about."""
        for photo in photos:
            self.record.probe(photo.digest)

    def saw_file(self, digest: str) -> None:
        """A file that the use is about, by its SHA-256."""
        self.record.probe(digest)

    def searched_for(self, subject: str, identity: str) -> None:
        """An enrolled face or user that is searched for: the subject of its salt, and its id."""
        self.record.probe_enrolled(subject, identity)

    def by(self, face_model_version: str) -> None:
        """The recognizer that the answer depends on."""
        self.record.model = self._pins.model(face_model_version)

    def goes_on(self) -> None:
        """What was begun goes on after the block, and is closed by `Uses.rest_of`."""
        self.is_over = False

    def came_to_nothing(self, code: str) -> None:
        """What went wrong, by the code of its error, when it goes wrong after the answer."""
        self.record.refused = code

    def disclose(self, candidates: Sequence[Candidate]) -> bool:
        """Say who was found, best first; whether they may be answered. If not, they wait for review, and that is said.

        A search that found nobody owes no review: a null result is answered, and recorded.
        """
        self.record.candidates(candidates)
        people = self.obligations.human_review
        if not people or not candidates:
            return True
        review = self.record.withhold(self._cases, people, candidates, self.obligations.retention_days)
        answer = _answer.get()
        if answer is not None:
            answer.review = review
        return False


class Uses:
    """Decides, carries out and records uses. Safe to share between threads."""

    def __init__(
        self,
        *,
        gate: Gate,
        ledger: Ledger,
        collections: Collections,
        authorizations: Authorizations,
        cases: Cases,
        salts: Salts,
        pins: Pins,
        qualified: Qualified,
    ) -> None:
        self._pins = pins
        self._qualified = qualified
        self._gate = gate
        self._ledger = ledger
        self._collections = collections
        self._authorizations = authorizations
        self._cases = cases
        self._salts = salts

    def now(self) -> datetime:
        """The server's time, which never runs back behind the ledger's. Raises `Unaccountable`."""
        return self._ledger.now()

    @contextmanager
    def use(
        self,
        caller: Caller,
        action: Action,
        resource: str | None = None,
        /,
        *,
        threshold: float | None = None,
        limit: int | None = None,
        quality_filter: str | None = None,
        **context: Fact,
    ) -> Iterator[Use]:
        """Carry out one use inside this block.

        `resource` is the CollectionId acted on, if any; the decision depends on `threshold` and `limit`; `context` is
        for the log. Raises `AccessDenied` when it may not be done, and `Unaccountable` when it cannot be recorded,
        whatever the block came to. What the block raises is recorded and raised again: a refusal is part of the record.
        """
        started = time.perf_counter()
        record = Record(caller, action, resource, threshold, limit, quality_filter, self._salts, dict(context))
        found = None if resource is None else self._collections.find(resource)
        use = self._begin(record, found, started)
        with self._closing(use, started):
            yield use

    @contextmanager
    def rest_of(
        self,
        caller: Caller,
        action: Action,
        use: str,
        *,
        collection: str | None = None,
        threshold: float | None = None,
    ) -> Iterator[Use]:
        """Carry out what is left of a permitted use (its id) that went on after its answer; it is closed then.

        `collection` is the uid of the one that is acted on. Raises `Unaccountable`; it is still open then.
        """
        started = time.perf_counter()
        record = Record(caller, action, None, threshold, None, None, self._salts, {}, use=use, collection=collection)
        rest = Use(record, None, Obligations(), self._cases, self._pins)
        with self._closing(rest, started):
            yield rest

    def is_open(self, use: str) -> bool:
        """Whether a use was begun and not closed yet."""
        return any(use == other for other, _, _ in self._ledger.dangling())

    def case_of(self, authorization: Authorization) -> str | None:
        """What the ledger knows the case of an authorization by."""
        return self._case(authorization.organization, authorization.case_reference)

    def note(self, entries: Sequence[Entry]) -> int:
        """Record what happened without anybody's asking, such as a time that was up; the index of the last entry.

        Raises `Unaccountable`.
        """
        return self._ledger.append(entries)[-1]

    @contextmanager
    def _closing(self, use: Use, started: float) -> Iterator[None]:
        """Record what the block comes to."""
        record = use.record
        try:
            yield
        except CountenanceError as error:
            record.refused = error.code
            self._end(record, started)
            raise
        except Exception as error:
            record.failed = type(error).__name__
            self._end(record, started)
            raise
        if use.is_over:
            self._end(record, started)

    def _begin(self, record: Record, found: Collection | None, started: float) -> Use:
        """Decide, and commit the intent with the decision."""
        caller, now = record.caller, self._ledger.now()
        record.begun = now
        authorization = self._authorization(caller, now)
        verdict = self._decide(record, found, authorization, now)
        decision = verdict.decision
        record.collection = None if found is None else found.uid
        case = caller.case or (None if authorization is None else authorization.case_reference)
        entries = [
            intent_entry(
                record, authorization, self._case(caller.principal.organization.uid, case), software=__version__
            ),
            decision_entry(record.use, verdict),
        ]
        indexes = self._ledger.append(entries, opens=record.use if decision.allowed else None)
        answer = _answer.get()
        if answer is not None:
            answer.receipt = indexes[-1]
        if not decision.allowed:
            log.info(
                record.action, **record.told(), denied=[policy.id for policy in decision.policies], ms=_ms(started)
            )
            standing = None
            if is_unqualified(decision):
                standing = self._qualified.standing(self._face_model_version(found), caller.purpose, now)
            raise AccessDenied(sentence(record.action, decision, standing))
        use = Use(record, found, decision.obligations, self._cases, self._pins)
        if record.threshold is not None and use.threshold > record.threshold:
            record.threshold = use.threshold
            if answer is not None:
                answer.threshold = use.threshold
        return use

    def _decide(
        self, record: Record, found: Collection | None, authorization: Authorization | None, now: datetime
    ) -> Verdict:
        caller = record.caller
        verdict = self._gate.decide(self._facts(record, record.action, found, authorization, now))
        if verdict.decision.allowed and record.action in DECIDED_AS:
            # What was permitted when it was asked for may not be so any more.
            verdict = self._gate.decide(self._facts(record, DECIDED_AS[record.action], found, authorization, now))
        if not verdict.decision.allowed:
            return verdict
        if caller.authorization is not None and authorization is None:
            return denial(verdict, "the authorization that the key or session names is not known here")
        if authorization is not None and caller.case not in {None, authorization.case_reference}:
            return denial(verdict, "the case must be the one that the authorization was given for")
        compares = {record.action, DECIDED_AS.get(record.action)} & MATCHES
        if verdict.decision.obligations.human_review and compares - WITHHOLDS:
            return denial(verdict, f"{record.action} cannot keep back what it finds for review, which it would owe")
        limited = authorization is not None and authorization.max_uses is not None and record.action in MATCHES
        if limited and authorization is not None and not self._authorizations.take(authorization.uid):
            return denial(verdict, "an authorization that has a use left")
        return verdict

    def _facts(
        self,
        record: Record,
        action: Action,
        found: Collection | None,
        authorization: Authorization | None,
        now: datetime,
    ) -> RequestFacts:
        caller, principal = record.caller, record.caller.principal
        facts = None if authorization is None else authorization.facts
        if facts is not None and facts.uses_left is not None and action is not record.action:
            # The use of the authorization was taken when the work was asked for.
            facts = facts.model_copy(update={"uses_left": max(facts.uses_left, 1)})
        witnessed = [age for _, age in self._ledger.witnessed() if age <= WITNESSED_SECONDS]
        return RequestFacts(
            action=action,
            now=now,
            principal=PrincipalFacts(
                id=principal.uid,
                organization=_organization(principal.organization),
                role=caller.role,
                trained_until=record.trained_until,
                suspended=principal.suspended,
                debts=self._authorizations.debts(principal, now) if action in MATCHES else 0,
            ),
            purpose=caller.purpose,
            beneficiary=None if caller.beneficiary is None else _organization(caller.beneficiary),
            has_case=caller.case is not None or authorization is not None,
            collection=None if found is None else _collection(found),
            authorization=facts,
            qualification=self._qualification(record, action, found, now),
            threshold=record.threshold,
            limit=record.limit,
            witnesses=len(witnessed),
        )

    def _qualification(
        self, record: Record, action: Action, found: Collection | None, now: datetime
    ) -> QualificationFacts | None:
        if action not in MATCHES:
            return None
        version = self._face_model_version(found)
        return self._qualified.facts(version, record.caller.purpose, record.threshold, now)

    def _face_model_version(self, found: Collection | None) -> str:
        """Of the templates that are compared: the collection's, or those of the recognizer in use."""
        return self._pins.in_use()[0].face_model_version if found is None else found.face_model_version

    def _authorization(self, caller: Caller, now: datetime) -> Authorization | None:
        return None if caller.authorization is None else self._authorizations.find(caller.authorization, now)

    def _case(self, organization: str, reference: str | None) -> str | None:
        if reference is None:
            return None
        subject = case_subject(organization, reference)
        salt = self._salts.of([subject]).get(subject)
        return None if salt is None else commitment(salt, "case", reference)

    def _end(self, record: Record, started: float) -> None:
        """Commit what the use came to: only then it may be answered."""
        *before, closing = record.closing()
        indexes = self._ledger.append([*before, closing], closes=record.use, salts=record.own_salts)
        record.indexes = tuple(indexes)
        answer = _answer.get()
        if answer is not None:
            answer.receipt = indexes[-1]
        told = record.told() | {"receipt": indexes[-1], "ms": _ms(started)}
        if record.failed is not None:
            log.error(record.action, failed=record.failed, **told)
        elif record.refused is not None:
            log.info(record.action, refused=record.refused, **told)
        else:
            log.info(record.action, **told)


def _organization(organization: Organization) -> OrganizationFacts:
    return OrganizationFacts(
        id=organization.uid,
        kind=OrganizationKind(organization.kind),
        jurisdiction=organization.jurisdiction,
        suspended=organization.suspended,
    )


def _collection(found: Collection) -> CollectionFacts:
    return CollectionFacts(
        id=found.uid,
        sensitivity=Sensitivity(found.sensitivity),
        purposes=frozenset(map(Purpose, found.purposes)),
        owner=found.owner or "",
    )


def _at_least(asked: float | None, floor: float | None) -> float:
    return max(asked or 0.0, floor or 0.0)


def _at_most(asked: int | None, cap: int | None) -> int:
    given = [limit for limit in (asked, cap) if limit is not None]
    return min(given, default=0)


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
