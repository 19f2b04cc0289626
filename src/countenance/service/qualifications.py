"""Use cases on the qualification of face models: holding one against a purpose by a report of its errors, and then.

    judged ──► qualified ─┐
       └─► refused ──► waived, by another person, until a date
                          └──► revoked

Every judgement is an entry of the ledger, also one that refuses. What lets a model serve is signed by the log's key,
and its entry is committed before the gate can know of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

from countenance.errors import AccessDenied, InvalidParameter, ResourceConflict
from countenance.fairness.qualification.judging import Judgement, judge, requirement
from countenance.fairness.qualification.qualifications import SERVING, Qualification, Qualifications, State
from countenance.fairness.qualification.statements import Statement, digest
from countenance.fairness.record import AuditRecord
from countenance.ledger import entries
from countenance.ledger.entries import timestamp
from countenance.ledger.log import Ledger
from countenance.policy.vocabulary import Purpose
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.pins import Pins
from countenance.service.qualified import Qualified
from countenance.service.records import actor
from countenance.service.uses import Uses
from countenance.storage.identities import Kind, new_uid

# What an entry of the ledger holds of why: the worst groups first. A reason names a group and numbers.
MAX_REASONS = 20
MAX_REASON_CHARACTERS = 800

# A waiver's reason stands in the ledger and on the transparency page.
MAX_WAIVER_CHARACTERS = 500

ONE_COMPARISON = (
    "A false match rate is that of one comparison. A search compares with everybody in a collection: among 10,000 "
    "people, a rate of 1e-4 brings up one wrong person on average."
)


class ModelQualification:
    """Has face models judged, lets them serve in spite of that, or no longer."""

    def __init__(
        self, uses: Uses, qualifications: Qualifications, qualified: Qualified, ledger: Ledger, pins: Pins
    ) -> None:
        self._uses = uses
        self._qualifications = qualifications
        self._qualified = qualified
        self._ledger = ledger
        self._pins = pins

    def qualify(
        self,
        caller: Caller,
        record: AuditRecord,
        purpose: Purpose,
        similarity: float,
        *,
        face_model_version: str | None = None,
        until: datetime | None = None,
    ) -> tuple[Qualification, Judgement]:
        """Hold a report against what a purpose requires at a threshold; signed and in force when it passes.

        `face_model_version` None: the recognizer that new collections are bound to; `until` None: as long as is
        possible. A model that does not pass is refused, which is recorded, and no error. Raises `InvalidParameter` for
        a purpose that requires nothing, a Similarity that the report does not have, and a time that is too late.
        """
        with self._uses.use(caller, Action.QUALIFY_MODEL) as use:
            case = _Case.of(record, self._model(face_model_version), purpose, similarity, self._uses.now())
            model, judgement = case.model, case.judgement
            judged = Qualification(
                uid=new_uid(Kind.QUALIFICATION),
                state=State.QUALIFIED if judgement.passed else State.REFUSED,
                face_model_version=model.face_model_version,
                purpose=purpose,
                threshold=similarity,
                report=record.sha256,
                reasons=_told(judgement),
                judged=case.now,
                judge=caller.principal.uid,
            )
            ends = case.end(until)
            if judgement.passed:
                note = self._ledger.sign(case.statement(judged, ends).text())
                judged = replace(judged, valid_until=ends, statement=note)
            use.record.others.append(case.entry(judged, caller))
            use.state(qualification=judged.uid, state=judged.state)
        # Not before the ledger has it: the gate believes nothing that was not announced there.
        judged = replace(judged, entry=use.record.indexes[0] if judgement.passed else None)
        self._qualifications.add(judged, caller.principal)
        self._qualified.forget()
        return judged, judgement

    def waive(self, caller: Caller, uid: str, record: AuditRecord, reason: str, until: datetime) -> Qualification:
        """Let a model serve that was refused, until a time, by the report that it was refused by.

        Whoever waives is another person than the one who had it judged, and is named. Raises `ResourceNotFound`;
        `ResourceConflict` for one that was not refused; `AccessDenied` for the same person; `InvalidParameter` for
        another report, for what nobody can waive, without a reason, and for a time that is too late.
        """
        with self._uses.use(caller, Action.WAIVE_QUALIFICATION) as use:
            refused = self._qualifications.get(uid)
            if refused.state is not State.REFUSED:
                raise ResourceConflict(
                    f"The qualification {uid} is {refused.state}: only one that was refused is waived."
                )
            if refused.judge == caller.principal.uid:
                raise AccessDenied("Whoever had a face model judged cannot waive what it did not pass: another must.")
            if refused.report != record.sha256:
                raise InvalidParameter(f"The qualification {uid} was refused by another report: give that one.")
            if not reason.strip() or not reason.isprintable() or len(reason) > MAX_WAIVER_CHARACTERS:
                raise InvalidParameter(
                    f"A waiver has a reason, a line of at most {MAX_WAIVER_CHARACTERS} characters, which is published."
                )
            model = self._model(refused.face_model_version)
            case = _Case.of(record, model, refused.purpose, refused.threshold, self._uses.now())
            if not case.judgement.waivable:
                fixed = " ".join(one.text for one in case.judgement.reasons if not one.waivable)
                raise InvalidParameter(f"Nobody can waive what was not measured. {fixed}".strip())
            ends = case.end(until)
            waiver = entries.Waiver(actor=actor(caller), reason=reason.strip(), until=timestamp(ends))
            note = self._ledger.sign(case.statement(refused, ends, waiver).text())
            waived = replace(refused, state=State.WAIVED, valid_until=ends, statement=note)
            use.record.others.append(case.entry(waived, caller, waiver))
            use.state(qualification=uid, state=waived.state)
        waived = replace(waived, entry=use.record.indexes[0])
        self._qualifications.change(waived, State.REFUSED)
        self._qualified.forget()
        return waived

    def revoke(self, caller: Caller, uid: str, reason: str) -> Qualification:
        """End a qualification or a waiver before its time, at once.

        Raises `ResourceNotFound`, `ResourceConflict` for one that serves nothing, `InvalidParameter` without a reason.
        """
        with self._uses.use(caller, Action.REVOKE_QUALIFICATION) as use:
            serving = self._qualifications.get(uid)
            if serving.state not in SERVING or serving.statement is None:
                raise ResourceConflict(f"The qualification {uid} is {serving.state}: there is nothing to revoke.")
            if not reason.strip() or not reason.isprintable() or len(reason) > MAX_WAIVER_CHARACTERS:
                raise InvalidParameter(f"Say why, in a line of at most {MAX_WAIVER_CHARACTERS} characters.")
            revoked = replace(serving, state=State.REVOKED)
            # The ledger may fail after it: then it is revoked all the same.
            self._qualifications.change(revoked, serving.state)
            self._qualified.forget()
            told = entries.Qualification(
                qualification=uid,
                state=State.REVOKED.value,
                model=self._model(serving.face_model_version),
                purpose=serving.purpose,
                threshold=serving.threshold,
                report=serving.report,
                statement=digest(serving.statement),
                reasons=(reason.strip(),),
                actor=actor(caller),
            )
            use.record.others.append(told)
            use.state(qualification=uid, state=revoked.state)
            return revoked

    def list(self, caller: Caller) -> Sequence[Qualification]:
        """All judgements, oldest first."""
        with self._uses.use(caller, Action.LIST_QUALIFICATIONS):
            return self._qualifications.list()

    def _model(self, face_model_version: str | None) -> entries.Model:
        return self._pins.in_use()[0] if face_model_version is None else self._pins.model(face_model_version)


@dataclass(frozen=True, slots=True)
class _Case:
    """A report that is held against what a purpose requires of a model, now."""

    record: AuditRecord
    model: entries.Model
    judgement: Judgement
    now: datetime

    @classmethod
    def of(cls, record: AuditRecord, model: entries.Model, purpose: Purpose, similarity: float, now: datetime) -> Self:
        return cls(record, model, judge(record, model, purpose, similarity, now.date()), now)

    def end(self, until: datetime | None) -> datetime:
        """When it ends. Raises InvalidParameter for a time that is over, or later than is possible."""
        days = requirement(self.judgement.purpose).max_days
        latest = self.now + timedelta(days=days)
        ends = until or latest
        if not self.now < ends <= latest:
            raise InvalidParameter(f"It ends after now, and within {days} days: by {latest:%Y-%m-%d}.")
        # Entries have milliseconds.
        return ends.astimezone(UTC).replace(microsecond=ends.microsecond // 1000 * 1000)

    def statement(self, judged: Qualification, ends: datetime, waiver: entries.Waiver | None = None) -> Statement:
        return Statement(
            qualification=judged.uid,
            model=self.model,
            purpose=judged.purpose,
            threshold=judged.threshold,
            valid_from=timestamp(self.now),
            valid_until=timestamp(ends),
            report=judged.report,
            groupings=self.judgement.groupings,
            not_shown=self.judgement.not_shown,
            notes=self.judgement.notes,
            limits=(ONE_COMPARISON, *self.record.limits),
            reasons=judged.reasons,
            waiver=waiver,
        )

    def entry(
        self, judged: Qualification, caller: Caller, waiver: entries.Waiver | None = None
    ) -> entries.Qualification:
        """The ledger's entry. Groups that are too small are counted and not named: one of few may be anybody's name."""
        ends = judged.valid_until
        return entries.Qualification(
            qualification=judged.uid,
            state=judged.state.value,
            model=self.model,
            purpose=judged.purpose,
            threshold=judged.threshold,
            report=judged.report,
            statement=None if judged.statement is None else digest(judged.statement),
            valid_from=None if ends is None else timestamp(self.now),
            valid_until=None if ends is None else timestamp(ends),
            groupings=self.judgement.groupings,
            not_shown=len(self.judgement.not_shown),
            reasons=judged.reasons,
            waiver=waiver,
            actor=actor(caller),
        )


def _told(judgement: Judgement) -> tuple[str, ...]:
    """Why it did not pass, as it is kept and told: the worst first, and how many more there are."""
    texts = [" ".join(reason.text.split()) for reason in judgement.reasons]
    told = [text if len(text) <= MAX_REASON_CHARACTERS else f"{text[:MAX_REASON_CHARACTERS]}…" for text in texts]
    more = len(told) - MAX_REASONS
    return (*told[:MAX_REASONS], f"And {more} more.") if more > 0 else tuple(told)
