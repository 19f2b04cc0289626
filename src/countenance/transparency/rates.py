"""Rates, each with two denominators: a share means little without saying of what.

A false alert rate of 0.0003 % of all faces seen was 0.48 % of all alerts (Metropolitan Police, live facial recognition,
September 2024 to September 2025: 10 false alerts, 2,077 alerts, 3,147,436 faces). Both are told here, always.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from countenance.transparency import authorizations, retention, reviews, uses
from countenance.transparency.moratoria import ALLOWED
from countenance.transparency.sheet import Name, name
from countenance.transparency.tables_of_duties import AUTHORIZATIONS, DATED, DECIDED, EMERGENCIES, ERASURES, REVIEWED
from countenance.transparency.tables_of_uses import BROUGHT_UP, MORATORIUM, RESULT, candidates, searches
from countenance.transparency.told import Telling, Told


@dataclass(frozen=True, slots=True)
class Share:
    """What a count is divided by, and what that gives; None where it cannot be told."""

    per: str
    whole: Told
    rate: float | None


@dataclass(frozen=True, slots=True)
class Rate:
    """A count by two denominators."""

    name: str
    title: str
    count: Told
    shares: tuple[Share, Share]


Denominator = tuple[str, Name]

COMPLETED: Denominator = ("completed search", candidates("searches"))
PROBE: Denominator = ("probe", candidates(uses.PROBES))
ASKED: Denominator = ("search asked for", searches())
ANY_USE: Denominator = ("use of any kind", name("uses"))
REVIEWED_CANDIDATE: Denominator = ("candidate reviewed", name(REVIEWED))
REQUEST: Denominator = ("authorization requested", name(AUTHORIZATIONS))

_RATES: tuple[tuple[str, str, Name, tuple[Denominator, Denominator]], ...] = (
    ("denied", "searches denied", searches((RESULT, uses.DENIED)), (ASKED, ANY_USE)),
    ("nobody_found", "searches that found nobody", searches((RESULT, uses.NOBODY)), (COMPLETED, PROBE)),
    ("candidates_returned", "candidates returned", candidates(uses.CANDIDATES_RETURNED), (COMPLETED, PROBE)),
    (
        "withheld",
        "searches withheld for review",
        searches((RESULT, uses.WITHHELD)),
        (COMPLETED, ("search that brought somebody up", BROUGHT_UP)),
    ),
    (
        "candidates_confirmed",
        "candidates that people confirmed, and that were told",
        name(REVIEWED, {"candidates": reviews.GIVEN}),
        (COMPLETED, REVIEWED_CANDIDATE),
    ),
    (
        "candidates_rejected",
        "candidates that people rejected: somebody else",
        name(REVIEWED, {"candidates": reviews.SOMEBODY_ELSE}),
        (COMPLETED, REVIEWED_CANDIDATE),
    ),
    (
        "authorizations_refused",
        "authorizations refused",
        name(AUTHORIZATIONS, {"outcome": authorizations.REFUSED}),
        (REQUEST, ("authorization decided on", DECIDED)),
    ),
    (
        "emergencies_overdue",
        "emergencies not approved when their deadline passed",
        name(EMERGENCIES, {"debt": authorizations.OVERDUE}),
        (("emergency", name(EMERGENCIES)), REQUEST),
    ),
    (
        "erasures_late",
        "late erasures",
        name(ERASURES, {"retention": retention.LATE}),
        (("erasure that had a date", DATED), ("erasure", name(ERASURES))),
    ),
)


def make_rates(telling: Telling, moratoria: Sequence[str]) -> list[Rate]:
    """All rates; that of the exemptions used for each moratorium."""
    exemptions = [
        (
            f"exemptions_of_{moratorium}",
            f"searches allowed by exemptions of {moratorium}",
            name(MORATORIUM, {MORATORIUM: moratorium, "decision": ALLOWED}),
            (("search that it applies to", name(MORATORIUM, {MORATORIUM: moratorium})), ASKED),
        )
        for moratorium in moratoria
    ]
    return [
        Rate(identity, title, telling[count], (_share(telling, count, first), _share(telling, count, second)))
        for identity, title, count, (first, second) in (*_RATES, *exemptions)
    ]


def _share(telling: Telling, count: Name, denominator: Denominator) -> Share:
    per, whole = denominator
    return Share(per, telling[whole], telling[count].over(telling[whole]))
