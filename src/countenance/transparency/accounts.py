"""The accounts of a ledger: every entry in, in order; the counts out.

Entries are added as they come, so a server adds only what is new. The same entries give the same accounts on any
machine: nothing is read but the entries, not the clock, not the settings, not the database. Accounts can be pickled.
What is kept grows with the kinds of things that happen and the number of months, with what is open (uses, cases,
authorizations), and with what people changed; not with the number of uses.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from countenance.ledger.entries import (
    AnyEntry,
    AuthorizationChange,
    Closing,
    Decision,
    Deletion,
    Enrolment,
    Intent,
    KeyChange,
    ModelChange,
    PolicyChange,
    Qualification,
    Review,
)
from countenance.transparency.authorizations import Authorizations
from countenance.transparency.changes import Changes
from countenance.transparency.irregularities import Irregularity
from countenance.transparency.moratoria import SUSPENDED_KIND, Exemptions
from countenance.transparency.qualifications import Qualifications
from countenance.transparency.retention import Retention
from countenance.transparency.reviews import Reviews
from countenance.transparency.uses import Uses


@dataclass
class Accounts:
    """What a ledger says was done, up to the entry added last."""

    size: int = 0
    first: str | None = None
    last: str | None = None
    uses: Uses = field(default_factory=Uses)
    authorizations: Authorizations = field(default_factory=Authorizations)
    changes: Changes = field(default_factory=Changes)
    retention: Retention = field(default_factory=Retention)
    reviews: Reviews = field(default_factory=Reviews)
    exemptions: Exemptions = field(default_factory=Exemptions)
    qualifications: Qualifications = field(default_factory=Qualifications)
    # results by face model version
    recognizers: Counter[str] = field(default_factory=Counter)
    irregularities: Counter[Irregularity] = field(default_factory=Counter)

    def add(self, index: int, entry: AnyEntry) -> None:
        """Account for the entry at this index. Raises ValueError when it is not the next one."""
        if index != self.size:
            raise ValueError(f"entry {self.size} is next, not {index}")
        self.size += 1
        at = entry.at or ""
        if self.last is not None and at < self.last:
            self._note(Irregularity.TIME_RAN_BACKWARDS)
        self.first = self.first or at
        self.last = max(self.last or "", at)
        match entry:
            case Intent():
                self._intend(entry)
            case Decision():
                self._decide(entry)
            case AuthorizationChange():
                self.authorizations.change(entry)
            case PolicyChange():
                if not self.changes.change_policies(index, entry):
                    self._note(Irregularity.UNREADABLE_MORATORIUM)
            case KeyChange():
                self.changes.change_keys(index, entry)
            case ModelChange():
                self.changes.change_models(index, entry)
            case Qualification():
                self.qualifications.add(index, entry)
            case Review():
                self.reviews.add(entry)
            case _:
                self._close(entry)

    def _intend(self, entry: Intent) -> None:
        self._note(self.uses.intend(entry, self.changes.generation))
        if (entry.actor.organization, entry.actor.organization_kind) not in self.changes.declared:
            self._note(Irregularity.KIND_NOT_DECLARED)

    def _decide(self, entry: Decision) -> None:
        pending = self.uses.decide(entry)
        if isinstance(pending, Irregularity):
            self._note(pending)
            return
        if not self.changes.permitted_since(pending.generation, entry.policy_set):
            self._note(Irregularity.DECISION_BY_OTHER_POLICIES)
        asked = pending.asked
        is_search = asked.is_search and asked.concerns(SUSPENDED_KIND) and entry.effect == "allow"
        if is_search and self.qualifications.is_over(asked.purpose, entry.at or ""):
            self._note(Irregularity.WITHOUT_QUALIFICATION)
        for moratorium in self.changes.suspensions(entry.at or ""):
            self.exemptions.add(moratorium, asked, entry)

    def _close(self, entry: Closing) -> None:
        if isinstance(entry, Deletion):
            self.retention.erase(entry)
            if entry.review is not None:
                self.reviews.erase(entry.review)
        # What is erased because its time was up, or an approval was refused, is nobody's use.
        if entry.use is not None:
            self._note(self.uses.close(entry.use, entry))
        if isinstance(entry, Enrolment) and entry.retain_until is not None:
            self.retention.promise(entry.faces, entry.retain_until)
        if entry.model is not None:
            self.recognizers[entry.model.face_model_version] += 1
            if not self.changes.announces(entry.model):
                self._note(Irregularity.RESULT_OF_OTHER_MODEL)

    def _note(self, irregularity: Irregularity | None) -> None:
        if irregularity is not None:
            self.irregularities[irregularity] += 1
