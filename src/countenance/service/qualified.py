"""Which face models are qualified for what, as far as it verifies: what the gate is told, and what the denied are told.

A statement counts with the signature of the log's key, an entry of the ledger that announces it, and the very model
files and calibration that this server has. The signature and the entry of one are verified once; what is in the table
is read again after `SECONDS`, so that a revocation elsewhere counts here within that time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from countenance.errors import CountenanceError, Misconfigured
from countenance.fairness.qualification.qualifications import SERVING, Qualifications, State
from countenance.fairness.qualification.statements import InvalidStatement, Statement, digest
from countenance.ledger import entries
from countenance.ledger.log import Ledger
from countenance.policy.requests import QualificationFacts
from countenance.policy.vocabulary import Purpose
from countenance.service.pins import Pins
from countenance.storage.lately import Lately

SECONDS = 0.25

# How many reasons a denial repeats.
REASONS_TOLD = 3

log = structlog.get_logger("countenance.qualified")


@dataclass(frozen=True, slots=True)
class _Verified:
    statement: Statement
    begins: datetime
    facts: QualificationFacts


class Qualified:
    """The qualifications that count. Safe to share between threads."""

    def __init__(self, qualifications: Qualifications, ledger: Ledger, pins: Pins) -> None:
        self._qualifications = qualifications
        self._ledger = ledger
        self._pins = pins
        # By the note and the index of its entry; None: told to the log that it does not verify.
        self._known: dict[tuple[str, int], _Verified | None] = {}
        self._lately = Lately(self._read, SECONDS)

    def facts(
        self, face_model_version: str, purpose: Purpose, threshold: float | None, now: datetime
    ) -> QualificationFacts | None:
        """What policies may know of a face model; None when it has no qualification for the purpose that counts.

        Of several qualifications, one for a threshold that is not above the one asked for, and rather one that was
        passed than waived.
        """
        valid = [
            one
            for one in self._lately.get()
            if one.statement.purpose == purpose
            and one.statement.model.face_model_version == face_model_version
            and one.begins <= now < one.facts.valid_until
            and self._is_ours(one.statement.model)
        ]
        if not valid:
            return None
        asked = threshold or 0.0
        return min(valid, key=lambda one: (max(one.facts.threshold, asked), one.facts.waived)).facts

    def standing(self, face_model_version: str, purpose: Purpose, now: datetime) -> str | None:
        """Why a face model is not qualified, as far as somebody had it judged: in a sentence for whoever is denied."""
        last = self._qualifications.last(face_model_version, purpose)
        if last is None:
            return None
        more = ("More stands against it: countenance fairness qualifications list.",)
        reasons = " ".join((*last.reasons[:REASONS_TOLD], *(more if len(last.reasons) > REASONS_TOLD else ())))
        head = f"face model {face_model_version} at Similarity {last.threshold:g}"
        if last.state is State.REFUSED:
            return f"It was refused on {last.judged:%Y-%m-%d}, {head}: {reasons}"
        if last.state is State.REVOKED:
            return f"Its qualification of {last.judged:%Y-%m-%d}, {head}, was revoked."
        if last.valid_until is not None and last.valid_until <= now:
            waived = f" It had not passed: {reasons}" if last.state is State.WAIVED else ""
            what = "waiver" if last.state is State.WAIVED else "qualification"
            return f"Its {what}, {head}, ended on {last.valid_until:%Y-%m-%d}.{waived}"
        return (
            f"Its qualification of {last.judged:%Y-%m-%d}, {head}, does not count on this server: it does not verify, "
            "or is of other model files or another calibration."
        )

    def forget(self) -> None:
        """What was changed here counts here at once."""
        self._lately.forget()

    def _is_ours(self, model: entries.Model) -> bool:
        """Whether this server has these very files and this calibration."""
        try:
            return model == self._pins.model(model.face_model_version)
        except Misconfigured:
            return False

    def _read(self) -> Sequence[_Verified]:
        known = {key: self._known.get(key) or self._verify(*key) for key in self._qualifications.announced()}
        self._known = known
        return [verified for verified in known.values() if verified is not None]

    def _verify(self, note: str, index: int) -> _Verified | None:
        """The statement of a note, if the log signed it and the entry of this index announces it."""
        try:
            statement = Statement.read(self._ledger.signed(note))
            entry = entries.read(self._ledger.entry(index))
            if (
                not isinstance(entry, entries.Qualification)
                or entry.state not in SERVING
                or entry.statement != digest(note)
            ):
                raise InvalidStatement("The ledger does not announce the statement.")
        except (CountenanceError, entries.Impossible) as error:
            if (note, index) not in self._known:
                log.error("a statement of a qualification does not count", entry=index, why=str(error))
            return None
        until = datetime.fromisoformat(statement.valid_until)
        facts = QualificationFacts(
            threshold=statement.threshold, valid_until=until, waived=statement.waiver is not None
        )
        return _Verified(statement, datetime.fromisoformat(statement.valid_from), facts)
