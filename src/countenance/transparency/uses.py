"""Uses, from the intent to the entry that closes them: who asked, for what, and what came of it.

Counts only: a use is kept while it is open, and becomes a number when it is closed. A use is closed by a decision that
denies it, or by the outcome, enrolment, deletion or export that it led to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from countenance.ledger.entries import Closing, Decision, Enrolment, Export, Intent, Outcome
from countenance.transparency.families import SEARCHES, family
from countenance.transparency.irregularities import Irregularity

# Where an intent says nothing.
NO_BASIS = "none stated"
ITSELF = "itself"

# Why a use was denied when no policy is named: nothing permits it, or a policy could not be evaluated.
NOTHING_PERMITS = "nothing permits it"
NOT_EVALUATED = "a policy could not be evaluated"

COMPLETED = "completed"
DENIED = "denied"
REFUSED = "refused"
FAILED = "failed"
UNFINISHED = "unfinished"
RESULTS = (COMPLETED, DENIED, REFUSED, FAILED, UNFINISHED)

# What a completed search found.
CANDIDATES = "candidates found"
WITHHELD = "withheld for review"
NOBODY = "nobody found"
NOT_SEARCHED = "nothing searched for"
FINDINGS = (CANDIDATES, WITHHELD, NOBODY, NOT_SEARCHED)
# When somebody was searched for.
SEARCHED = FINDINGS[:-1]

PROBES = "probes"
CANDIDATES_RETURNED = "candidates returned"
CANDIDATES_WITHHELD = "candidates withheld"
MEASURES = (PROBES, CANDIDATES_RETURNED, CANDIDATES_WITHHELD)


class Asked(NamedTuple):
    """What a use is counted by."""

    family: str
    kind: str
    made_for: str
    purpose: str
    basis: str
    month: str

    @property
    def is_search(self) -> bool:
        """Whether faces are compared."""
        return self.family == SEARCHES

    def concerns(self, kind: str) -> bool:
        """Whether it is made by an organization of this kind, or for one."""
        return kind in (self.kind, self.made_for)


class Pending(NamedTuple):
    """A use that is not closed. `generation` is how often policies had changed when it began.

    `candidates` is how many were named in entries that are continued.
    """

    asked: Asked
    generation: int
    allowed: bool = False
    candidates: int = 0


@dataclass
class Uses:
    """All uses so far."""

    open: dict[str, Pending] = field(default_factory=dict)
    # (asked, result)
    closed: Counter[tuple[Asked, str]] = field(default_factory=Counter)
    # (policy, kind of organization); a denial counts once for each policy that determined it
    denials: Counter[tuple[str, str]] = field(default_factory=Counter)
    # (kind, finding)
    findings: Counter[tuple[str, str]] = field(default_factory=Counter)
    # (kind, measure)
    candidates: Counter[tuple[str, str]] = field(default_factory=Counter)
    enrolments: Counter[tuple[str, str]] = field(default_factory=Counter)
    exports: Counter[tuple[str, str]] = field(default_factory=Counter)

    def intend(self, entry: Intent, generation: int) -> Irregularity | None:
        """Somebody is about to do something."""
        repeated = entry.use in self.open
        asked = Asked(
            family(entry.action),
            entry.actor.organization_kind,
            ITSELF if entry.beneficiary is None else entry.beneficiary.organization_kind,
            entry.purpose,
            entry.legal_basis or NO_BASIS,
            (entry.at or "")[: len("2020-06")],
        )
        self.open[entry.use] = Pending(asked, generation)
        return Irregularity.INTENT_REPEATED if repeated else None

    def decide(self, entry: Decision) -> Pending | Irregularity:
        """Whether it may be done; answers what had been asked."""
        pending = self.open.get(entry.use)
        if pending is None:
            return Irregularity.DECISION_WITHOUT_INTENT
        if pending.allowed:
            return Irregularity.DECISION_REPEATED
        if entry.effect == "allow":
            self.open[entry.use] = pending._replace(allowed=True)
            return pending
        del self.open[entry.use]
        self.closed[pending.asked, DENIED] += 1
        for policy in determining(entry):
            self.denials[policy, pending.asked.kind] += 1
        return pending

    def close(self, use: str, entry: Closing) -> Irregularity | None:
        """What came of it."""
        pending = self.open.pop(use, None)
        if pending is None:
            return Irregularity.RESULT_WITHOUT_INTENT
        if isinstance(entry, Outcome) and entry.continued:
            candidates = pending.candidates + len(entry.candidates or ())
            self.open[use] = pending._replace(candidates=candidates)
            return None
        result = FAILED if entry.failed else REFUSED if entry.refused else COMPLETED
        self.closed[pending.asked, result] += 1
        if result == COMPLETED:
            self._complete(pending, entry)
        return None if pending.allowed else Irregularity.RESULT_WITHOUT_DECISION

    def _complete(self, pending: Pending, entry: Closing) -> None:
        asked = pending.asked
        kind = asked.kind
        if isinstance(entry, Outcome) and asked.is_search:
            finding = _finding(entry)
            self.findings[kind, finding] += 1
            if finding != NOT_SEARCHED:
                self.candidates[kind, PROBES] += len(entry.probes)
                measure = CANDIDATES_WITHHELD if finding == WITHHELD else CANDIDATES_RETURNED
                self.candidates[kind, measure] += pending.candidates + len(entry.candidates or ())
        elif asked.is_search:
            self.findings[kind, NOT_SEARCHED] += 1
        elif isinstance(entry, Enrolment):
            self.enrolments[kind, "enrolments"] += 1
            self.enrolments[kind, "faces"] += entry.faces
            self.enrolments[kind, "faces not good enough"] += entry.unindexed
        elif isinstance(entry, Export):
            self.exports[kind, "exports"] += 1
            self.exports[kind, "faces"] += entry.faces
            self.exports[kind, "users"] += entry.users

    def asked(self) -> Counter[tuple[Asked, str]]:
        """All uses with what has come of them so far; open ones are unfinished."""
        counts = Counter(self.closed)
        counts.update((pending.asked, UNFINISHED) for pending in self.open.values())
        return counts


def determining(entry: Decision) -> Sequence[str]:
    """The policies that determined a decision, as pack/id; or why none did."""
    if entry.policies:
        return sorted({f"{policy.pack}/{policy.id}" for policy in entry.policies})
    return (NOT_EVALUATED if entry.errors else NOTHING_PERMITS,)


def _finding(entry: Outcome) -> str:
    if entry.withheld:
        return WITHHELD
    if entry.candidates is None:
        return NOT_SEARCHED
    return CANDIDATES if entry.candidates else NOBODY
