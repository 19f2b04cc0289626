"""Which face models were held against what, what came of it, and who lets one serve that did not pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from countenance.ledger import entries

# Decisions and what ends a qualification are written down side by side.
GRACE = timedelta(minutes=1)

# What lets a face model serve.
QUALIFIED = "qualified"
WAIVED = "waived"


@dataclass(frozen=True, slots=True)
class Qualification:
    """What an entry says of one. `by` and `waived_by_kind` are kinds of organizations, `waived_by` is a person's id.

    People who waive are told by id, which nobody else is here: they answer for it.
    """

    index: int
    at: str
    qualification: str
    state: str
    face_model_version: str
    purpose: str
    threshold: float
    report: str
    valid_until: str | None
    groupings: tuple[str, ...]
    not_shown: int
    reasons: tuple[str, ...]
    by: str
    waived_by: str | None
    waived_by_kind: str | None
    waiver_reason: str | None


@dataclass
class Qualifications:
    """All so far, in the order of their entries. As many are kept as people have asked for."""

    every: list[Qualification] = field(default_factory=list)
    # until when each lets a face model serve: by purpose and id
    _ends: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, index: int, entry: entries.Qualification) -> None:
        """A judgement, a waiver or a revocation."""
        waiver = entry.waiver
        ends = self._ends.setdefault(entry.purpose, {})
        if entry.state in {QUALIFIED, WAIVED} and entry.valid_until is not None:
            ends[entry.qualification] = entry.valid_until
        elif entry.qualification in ends:
            ends[entry.qualification] = min(ends[entry.qualification], entry.at or "")
        self.every.append(
            Qualification(
                index=index,
                at=entry.at or "",
                qualification=entry.qualification,
                state=entry.state,
                face_model_version=entry.model.face_model_version,
                purpose=entry.purpose,
                threshold=entry.threshold,
                report=entry.report,
                valid_until=entry.valid_until,
                groupings=entry.groupings,
                not_shown=entry.not_shown,
                reasons=entry.reasons,
                by="" if entry.actor is None else entry.actor.organization_kind,
                waived_by=None if waiver is None else waiver.actor.principal,
                waived_by_kind=None if waiver is None else waiver.actor.organization_kind,
                waiver_reason=None if waiver is None else waiver.reason,
            )
        )

    def is_over(self, purpose: str, at: str) -> bool:
        """Whether face models served this purpose once, and since a minute or longer none does.

        Within a minute, what was decided may have been written down after what ended it.
        """
        last = max(self._ends.get(purpose, {}).values(), default=at)
        return last < at and datetime.fromisoformat(last) + GRACE < datetime.fromisoformat(at)

    def serving(self, at: str) -> Iterator[Qualification]:
        """Those by which a face model serves at this time."""
        for one in {one.qualification: one for one in self.every}.values():
            if one.state in {QUALIFIED, WAIVED} and one.valid_until is not None and at < one.valid_until:
                yield one
