"""Authorizations from the request on: what was asked for on which legal basis, and what became of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from countenance.ledger.entries import AuthorizationChange

WAITING = "waiting"
REFUSED = "refused"
EXPIRED_UNDECIDED = "expired undecided"
WITHDRAWN = "revoked undecided"
IN_FORCE = "granted, in force"
EXPIRED = "granted, then expired"
REVOKED = "granted, then revoked"
GRANTED = (IN_FORCE, EXPIRED, REVOKED)
OUTCOMES = (WAITING, REFUSED, EXPIRED_UNDECIDED, WITHDRAWN, *GRANTED)

# What becomes of an emergency: used at once, it owes an approval by a deadline.
PAID = "approved in time"
PAID_LATE = "approved after the deadline"
OVERDUE = "deadline passed, not approved"
OWED = "waiting, deadline not passed"
EMERGENCY_REFUSED = "refused"
EMERGENCY_ENDED = "ended without an approval"
EMERGENCY_OUTCOMES = (PAID, PAID_LATE, OVERDUE, OWED, EMERGENCY_REFUSED, EMERGENCY_ENDED)

_UNDECIDED = {"refused": REFUSED, "expired": EXPIRED_UNDECIDED, "revoked": WITHDRAWN}
_GRANTED = {"refused": REVOKED, "expired": EXPIRED, "revoked": REVOKED}


class Standing(NamedTuple):
    """An authorization that has not ended."""

    basis: str
    granted: bool
    emergency: bool
    valid_until: str
    deadline: str | None
    overdue: bool


@dataclass
class Authorizations:
    """All authorizations so far. Those that have ended are counted and no longer kept."""

    standing: dict[str, Standing] = field(default_factory=dict)
    # (legal basis, outcome)
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    emergencies: Counter[str] = field(default_factory=Counter)

    def change(self, entry: AuthorizationChange) -> None:
        """An authorization came into another state."""
        before = self.standing.get(entry.authorization)
        granted = before is not None and before.granted
        emergency = entry.emergency or (before is not None and before.emergency)
        deadline = entry.deadline or (None if before is None else before.deadline)
        overdue = entry.overdue or (before is not None and before.overdue)
        if entry.state in {"pending", "granted"}:
            grants = entry.state == "granted"
            if emergency and grants and not granted:
                late = overdue or (deadline is not None and (entry.at or "") > deadline)
                self.emergencies[PAID_LATE if late else PAID] += 1
            self.standing[entry.authorization] = Standing(
                entry.basis, granted or grants, emergency, entry.valid_until, deadline, overdue
            )
            return
        self.standing.pop(entry.authorization, None)
        self.ended[entry.basis, (_GRANTED if granted else _UNDECIDED)[entry.state]] += 1
        if emergency and not granted:
            refused = entry.state == "refused"
            self.emergencies[EMERGENCY_REFUSED if refused else OVERDUE if overdue else EMERGENCY_ENDED] += 1

    def outcomes(self, now: str) -> Counter[tuple[str, str]]:
        """All authorizations by legal basis and what has become of them at this time."""
        counts = Counter(self.ended)
        for one in self.standing.values():
            over = one.valid_until <= now
            state = (EXPIRED if over else IN_FORCE) if one.granted else (EXPIRED_UNDECIDED if over else WAITING)
            counts[one.basis, state] += 1
        return counts

    def debts(self, now: str) -> Counter[str]:
        """All emergencies by what has become of their debt at this time."""
        counts = Counter(self.emergencies)
        for one in self.standing.values():
            if one.emergency and not one.granted:
                passed = one.overdue or (one.deadline is not None and one.deadline < now)
                counts[OVERDUE if passed else OWED] += 1
        return counts
