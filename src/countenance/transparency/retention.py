"""What was erased, why, and whether in time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from countenance.ledger.entries import Deletion

# Erasures are late when their entry says so; and, whatever it says, when they came more than this after their time.
GRACE = timedelta(days=1)

IN_TIME = "in time"
LATE = "late"
NO_DATE = "had no date"
TIMELINESS = (IN_TIME, LATE, NO_DATE)

MEASURES = ("faces", "users", "collections", "withheld searches")


@dataclass
class Retention:
    """All erasures so far."""

    # (reason, timeliness)
    erasures: Counter[tuple[str, str]] = field(default_factory=Counter)
    # (reason, what)
    erased: Counter[tuple[str, str]] = field(default_factory=Counter)
    # faces that may be kept until some time of a day, by that day: as many numbers as there are days
    promised: Counter[str] = field(default_factory=Counter)

    def promise(self, faces: int, until: str) -> None:
        """Faces were enrolled that may be kept until a time."""
        self.promised[_day(until)] += faces

    def erase(self, entry: Deletion) -> None:
        """Something was erased, or was to be: what was refused or failed erased nothing."""
        if entry.refused or entry.failed:
            return
        self.erasures[entry.reason, _timeliness(entry)] += 1
        counts = {"faces": entry.faces, "users": entry.users}
        counts |= {"collections": entry.collections, "withheld searches": entry.reviews}
        self.erased.update({(entry.reason, measure): count for measure, count in counts.items()})

    def due(self, now: str) -> int:
        """Faces whose time was up before the day of this time, whether they were erased or not."""
        return sum(faces for day, faces in self.promised.items() if day < _day(now))


def _day(time: str) -> str:
    return time[: len("2020-06-10")]


def _timeliness(entry: Deletion) -> str:
    if entry.late:
        return LATE
    if entry.due is None:
        return NO_DATE
    late = datetime.fromisoformat(entry.at or entry.due) - datetime.fromisoformat(entry.due) > GRACE
    return LATE if late else IN_TIME
