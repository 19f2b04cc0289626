"""What a use leaves in the ledger, gathered while it is carried out: ids, counts, scores, versions and commitments."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from countenance.ledger import entries
from countenance.ledger.entries import Actor, Beneficiary, Entry, PolicyReference, timestamp
from countenance.policy.authorizations import Authorization
from countenance.policy.gate import Verdict
from countenance.review.cases import Cases, Withheld
from countenance.service.actions import ENROLS, ERASES, EXPORTS, MATCHES, Action
from countenance.service.callers import Caller
from countenance.storage.identities import Kind, new_uid
from countenance.storage.salts import SALT_BYTES, Salts, commitment

Fact = str | int | float | bool | None

# Candidates in one entry: with about 110 bytes each, far below the 65,535 that an entry may have.
CANDIDATES_PER_ENTRY = 400


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody a search brought up.

    `id` is what the commitment is to; `salt` the subject of the salt that opens it, None for the use's own; `named` how
    the answer names the candidate, for a reviewer; `similarity` 0 to 100.
    """

    similarity: float
    id: str
    salt: str | None
    named: Mapping[str, Any]


@dataclass
class Record:
    """One use, from its intent to its end."""

    caller: Caller
    action: Action
    resource: str | None
    threshold: float | None
    limit: int | None
    quality_filter: str | None
    salts: Salts
    facts: dict[str, Fact]
    use: str = field(default_factory=lambda: new_uid(Kind.USE))
    begun: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    collection: str | None = None
    refused: str | None = None
    failed: str | None = None
    model: entries.Model | None = None
    own_salts: dict[str, bytes] = field(default_factory=dict)
    probes: list[str] = field(default_factory=list)
    found: list[entries.Candidate] | None = None
    review: str | None = None
    # What the entry that closes the use has beyond all this, and entries that come before it.
    details: dict[str, Any] = field(default_factory=dict)
    others: list[Entry] = field(default_factory=list)
    # Where the ledger has those and the one that closes the use, once it has them.
    indexes: tuple[int, ...] = ()

    @property
    def trained_until(self) -> datetime:
        """Of the caller."""
        return datetime.fromtimestamp(self.caller.principal.trained_until, UTC)

    def probe(self, digest: str) -> None:
        """A photo that was looked at, by the SHA-256 of its file: committed to under a salt of this use alone."""
        self.probes.append(commitment(self._salt(), "probe", digest))

    def probe_enrolled(self, subject: str, identity: str) -> None:
        """An enrolled face or user that is searched for: committed to under its own salt, which dies with it."""
        salt = self.salts.of([subject]).get(subject)
        if salt is not None:
            self.probes.append(commitment(salt, "probe", self.use, identity))

    def candidates(self, found: Sequence[Candidate]) -> None:
        """Who was found, best first."""
        salts = self.salts.of([candidate.salt for candidate in found if candidate.salt is not None])
        self.found = []
        for candidate in found:
            own = candidate.salt is None
            # One that was erased while it was found has no salt any more; nobody can be told who it was.
            salt = self._salt() if own else salts.get(candidate.salt or "", os.urandom(SALT_BYTES))
            committed = commitment(salt, "candidate", self.use, candidate.id)
            self.found.append(entries.Candidate(commitment=committed, similarity=round(candidate.similarity, 4)))

    def withhold(self, cases: Cases, people: int, found: Sequence[Candidate], retention_days: int | None) -> str:
        """Open a review case on what was found; its uid."""
        due = None if retention_days is None else self.begun + timedelta(days=retention_days)
        named = [(candidate.similarity, candidate.named) for candidate in found]
        caller = self.caller
        withheld = Withheld(self.use, self.action, caller.principal, people, named, caller.authorization, due)
        self.review = cases.open(withheld, self.begun)
        self.others.append(entries.Review(case=self.review, use=self.use, state="open"))
        return self.review

    def told(self) -> dict[str, Fact]:
        """What the server's log says of the use."""
        caller = self.caller
        asked: dict[str, Fact] = {"threshold": self.threshold, "limit": self.limit, "collection": self.resource}
        known = {name: value for name, value in asked.items() if value is not None}
        who: dict[str, Fact] = {"principal": caller.principal.name, "organization": caller.principal.organization.name}
        what: dict[str, Fact] = {"access_key_id": caller.access_key_id, "purpose": caller.purpose, "use": self.use}
        return {**who, **what, **known, **self.facts}

    def closing(self) -> list[Entry]:
        """The entries that close the use: what else happened, then the one that is its receipt."""
        common: dict[str, Any] = {"use": self.use, "refused": self.refused, "failed": self.failed, "model": self.model}
        if self.action in ENROLS:
            own = entries.Enrolment(**common, collection=self.collection, probes=tuple(self.probes), **self.details)
            return [*self.others, own]
        if self.action in ERASES:
            erased = entries.Deletion(**common, reason="request", collection=self.collection, **self.details)
            return [*self.others, erased]
        if self.action in EXPORTS:
            return [*self.others, entries.Export(**common, collection=self.collection, **self.details)]
        return [*self.others, *self._outcomes(common)]

    def _outcomes(self, common: dict[str, Any]) -> list[Entry]:
        found = self.found
        first: dict[str, Any] = {**common, "probes": tuple(self.probes), **self.details}
        if self.action in MATCHES:
            first["threshold"] = self.threshold
        if found is None:
            return [entries.Outcome(**first)]
        if self.review is not None:
            # A score with four decimals is as good as a name to whoever can repeat the search.
            found = [entries.Candidate(commitment=candidate.commitment) for candidate in found]
        parts = [found[i : i + CANDIDATES_PER_ENTRY] for i in range(0, len(found), CANDIDATES_PER_ENTRY)] or [[]]
        withheld: dict[str, Any] = {"withheld": self.review is not None, "review": self.review}
        outcomes: list[Entry] = [
            entries.Outcome(**common, candidates=tuple(part), continued=True, **withheld) for part in parts[:-1]
        ]
        return [*outcomes, entries.Outcome(**first, candidates=tuple(parts[-1]), **withheld)]

    def _salt(self) -> bytes:
        return self.own_salts.setdefault(self.use, os.urandom(SALT_BYTES))


def actor(caller: Caller) -> Actor:
    """Who acts, as entries name them."""
    principal = caller.principal
    return Actor(
        principal=principal.uid,
        organization=principal.organization.uid,
        organization_kind=principal.organization.kind,
        role=caller.role,
        credential=caller.credential,
    )


def intent_entry(
    record: Record, authorization: Authorization | None, case: str | None, *, software: str
) -> entries.Intent:
    """What stands in the ledger before anything is done."""
    caller = record.caller
    beneficiary = caller.beneficiary
    return entries.Intent(
        use=record.use,
        action=record.action,
        actor=actor(caller),
        purpose=caller.purpose,
        beneficiary=None
        if beneficiary is None
        else Beneficiary(organization=beneficiary.uid, organization_kind=beneficiary.kind),
        authorization=None if authorization is None else authorization.uid,
        legal_basis=None if authorization is None else authorization.basis,
        offence=None if authorization is None else authorization.offence,
        case=case,
        collection=record.collection,
        threshold=record.threshold,
        limit=record.limit,
        quality_filter=record.quality_filter,
        software=software,
    )


def decision_entry(use: str, verdict: Verdict) -> entries.Decision:
    """What was decided, by which policies."""
    decision, owed = verdict.decision, verdict.decision.obligations
    return entries.Decision(
        use=use,
        effect="allow" if decision.allowed else "deny",
        policies=tuple(
            PolicyReference(pack=policy.pack, id=policy.id, sha256=policy.sha256) for policy in decision.policies
        ),
        policy_set=verdict.policy_set,
        obligations=entries.Obligations(
            threshold_floor=owed.threshold_floor,
            candidate_cap=owed.candidate_cap,
            human_review=owed.human_review,
            retention_days=owed.retention_days,
        ),
        unlock=tuple(decision.unlock),
        errors=decision.errors,
    )


def retain_until(record: Record, retention_days: int | None) -> tuple[datetime | None, str | None]:
    """Until when what is enrolled may be kept: as a time, and as entries have it. None: no such time."""
    if retention_days is None:
        return None, None
    until = record.begun + timedelta(days=retention_days)
    return until, timestamp(until)
