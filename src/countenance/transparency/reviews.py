"""What people found when they looked at candidates."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from countenance.ledger.entries import Review

CONFIRMED = "confirmed"
REJECTED = "rejected"
UNDECIDED = "not decided"
ERASED = "erased before it was decided"
RESULTS = (CONFIRMED, REJECTED, UNDECIDED, ERASED)

# What became of the candidates of decided cases. A candidate is confirmed when everybody who had to look said so.
GIVEN = "confirmed, and told to those who searched"
SOMEBODY_ELSE = "rejected: somebody else"
NOT_GIVEN = "in confirmed cases of which nothing has been told"
CANDIDATES = (GIVEN, SOMEBODY_ELSE, NOT_GIVEN)


@dataclass
class Reviews:
    """All reviews so far. Cases are kept until they are decided, and confirmed ones until they are told."""

    # Candidates by case; nobody has looked at the undecided ones that have none.
    undecided: dict[str, int] = field(default_factory=dict)
    confirmed: dict[str, int] = field(default_factory=dict)
    decided: Counter[str] = field(default_factory=Counter)
    disclosed: int = 0
    # What each person said of each candidate.
    verdicts: Counter[str] = field(default_factory=Counter)
    settled: Counter[str] = field(default_factory=Counter)

    def add(self, entry: Review) -> None:
        """A case was opened, looked at, decided or disclosed."""
        if entry.state == "disclosed":
            self._disclose(entry)
            return
        candidates = entry.confirmed + entry.rejected
        if candidates:
            self.verdicts.update({CONFIRMED: entry.confirmed, REJECTED: entry.rejected})
        if entry.state == "open":
            self.undecided[entry.case] = candidates
            return
        self.undecided.pop(entry.case, None)
        self.decided[entry.state] += 1
        if entry.state == "confirmed":
            self.confirmed[entry.case] = candidates
        else:
            self.settled[SOMEBODY_ELSE] += candidates

    def erase(self, case: str) -> None:
        """The candidates of a case were erased; what was decided before stays decided."""
        if self.undecided.pop(case, None) is not None:
            self.decided[ERASED] += 1

    def results(self) -> Counter[str]:
        """All cases by what has come of them so far."""
        return Counter({**self.decided, UNDECIDED: len(self.undecided)})

    def candidates(self) -> Counter[str]:
        """The candidates of decided cases by what has become of them so far."""
        return Counter({**self.settled, NOT_GIVEN: sum(self.confirmed.values())})

    def _disclose(self, entry: Review) -> None:
        candidates = self.confirmed.pop(entry.case, None)
        if candidates is None:
            return  # what was told before is told again
        self.disclosed += 1
        self.settled.update({GIVEN: entry.confirmed, SOMEBODY_ELSE: max(candidates - entry.confirmed, 0)})
