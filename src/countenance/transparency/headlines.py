"""What the report says in sentences, before any table."""

from __future__ import annotations

from collections.abc import Iterator

from countenance.transparency import authorizations, retention, reviews, uses
from countenance.transparency.accounts import Accounts
from countenance.transparency.moratoria import ALLOWED, HOLD, SUSPENDED_KIND, Moratorium
from countenance.transparency.qualifications import WAIVED
from countenance.transparency.sheet import name
from countenance.transparency.tables_of_duties import DATED, EMERGENCIES, ERASURES, REVIEWED
from countenance.transparency.tables_of_uses import KIND, MORATORIUM, RESULT, candidates, searches
from countenance.transparency.told import Telling, Told


def make_headlines(telling: Telling, accounts: Accounts) -> list[str]:
    """The sentences, most important first."""
    if accounts.first is None or accounts.last is None:
        return ["Nothing has been recorded yet."]
    return [
        _searches(telling, accounts.first, accounts.last),
        _law_enforcement(telling),
        *_moratoria(telling, accounts),
        *_qualifications(accounts),
        *_findings(telling),
        *_reviews(telling),
        *_duties(telling),
        _irregularities(telling, accounts),
    ]


def day(time: str) -> str:
    """The day of an entry's time."""
    return time[: len("2020-06-10")]


def percent(rate: float | None) -> str:
    """A rate as a percentage with one digit, two below one percent."""
    if rate is None:
        return ""
    share = rate * 100
    return f"{share:.1f} %" if share >= 1 or share == 0 else f"{share:.2g} %"


def _searches(telling: Telling, first: str, last: str) -> str:
    asked, denied = telling[searches()], telling[searches((RESULT, uses.DENIED))]
    return (
        f"From {day(first)} to {day(last)}, {_number(asked, 'face search', 'face searches')} {_were(asked)} asked for; "
        f"{denied.spoken} of them {_were(denied)} denied{_shares(denied, asked)}."
    )


def _law_enforcement(telling: Telling) -> str:
    own = telling[searches((KIND, SUSPENDED_KIND))]
    others = telling[searches(("made for", SUSPENDED_KIND))]
    denied = telling[searches((KIND, SUSPENDED_KIND), (RESULT, uses.DENIED))]
    return (
        f"Law enforcement asked for {own.spoken} of them, of which {denied.spoken} {_were(denied)} denied. "
        f"{_capital(others.spoken)} {_were(others)} asked for by others on behalf of law enforcement."
    )


def _moratoria(telling: Telling, accounts: Accounts) -> Iterator[str]:
    for _, moratorium in accounts.changes.moratoria.values():
        of = {MORATORIUM: moratorium.name}
        asked, allowed = telling[name(MORATORIUM, of)], telling[name(MORATORIUM, {**of, "decision": ALLOWED})]
        yield (
            f"{moratorium.title} ({moratorium.name}): {_standing(moratorium, accounts)} While it was in force, "
            f"{_number(asked, 'face search', 'face searches')} by or for law enforcement {_were(asked)} asked for; "
            f"{allowed.spoken} {_were(allowed)} allowed by its exemptions{_shares(allowed, asked)}."
        )


def _qualifications(accounts: Accounts) -> Iterator[str]:
    for one in accounts.qualifications.serving(accounts.last or ""):
        what = f"the purpose {one.purpose} at Similarity {one.threshold:g} until {day(one.valid_until or '')}"
        if one.state == WAIVED:
            yield (
                f"Face model {one.face_model_version} did not pass, and serves {what} by a waiver of {one.waived_by} "
                f"({one.waived_by_kind}): {one.waiver_reason} It did not pass because: {' '.join(one.reasons)}"
            )
        else:
            yield f"Face model {one.face_model_version} is qualified to serve {what}."


def _standing(moratorium: Moratorium, accounts: Accounts) -> str:
    now = accounts.last or ""
    if moratorium.ended is not None and moratorium.ended <= now:
        return f"in force from {day(moratorium.start)} until it was ended on {day(moratorium.ended)}."
    if not moratorium.in_force(now):
        if now < moratorium.start:
            return f"to come into force on {day(moratorium.start)}."
        return f"in force from {day(moratorium.start)} until it lapsed on {day(moratorium.sunset or '')}."
    if moratorium.sunset is None:
        return f"in force since {day(moratorium.start)}, until somebody decides to end it."
    if now >= moratorium.sunset:
        return (
            f"in force since {day(moratorium.start)}; its sunset on {day(moratorium.sunset)} has passed, and it holds "
            "until somebody decides to end it."
        )
    then = "holds until somebody decides" if moratorium.at_sunset == HOLD else "lapses"
    return f"in force since {day(moratorium.start)}; at its sunset on {day(moratorium.sunset)} it {then}."


def _findings(telling: Telling) -> Iterator[str]:
    done, probes = telling[candidates("searches")], telling[candidates(uses.PROBES)]
    nobody = telling[searches((RESULT, uses.NOBODY))]
    returned = telling[candidates(uses.CANDIDATES_RETURNED)]
    withheld = telling[searches((RESULT, uses.WITHHELD))]
    yield (
        f"{_capital(_number(done, 'search', 'searches'))} {_were(done)} carried out, with "
        f"{_number(probes, 'probe', 'probes')}: {nobody.spoken} found nobody{_shares(nobody, done)}, "
        f"{withheld.spoken} {_were(withheld)} withheld until people had looked at what was found, and "
        f"{_number(returned, 'candidate', 'candidates')} {_were(returned)} told to those who asked."
    )


def _reviews(telling: Telling) -> Iterator[str]:
    reviewed, done = telling[name(REVIEWED)], telling[candidates("searches")]
    rejected = telling[name(REVIEWED, {"candidates": reviews.SOMEBODY_ELSE})]
    if reviewed == Told(0):
        yield "No candidates were reviewed by people."
        return
    share, per_search = percent(rejected.over(reviewed)), rejected.over(done)
    told = f" ({share} of those reviewed; {per_search:.2g} per completed search)" if share and per_search else ""
    yield (
        f"People reviewed {_number(reviewed, 'candidate', 'candidates')} and rejected {rejected.spoken}{told}: "
        "each a person who looked like the one searched for, and was not."
    )


def _duties(telling: Telling) -> Iterator[str]:
    late, dated = telling[name(ERASURES, {"retention": retention.LATE})], telling[DATED]
    overdue, emergencies = telling[name(EMERGENCIES, {"debt": authorizations.OVERDUE})], telling[name(EMERGENCIES)]
    yield f"Of {_number(dated, 'erasure', 'erasures')} that had to come by a date, {late.spoken} came late."
    yield (
        f"Of {_number(emergencies, 'emergency', 'emergencies')}, to be approved after the fact, {overdue.spoken} "
        f"{_plural(overdue, 'has', 'have')} no approval though the deadline has passed."
    )


def _irregularities(telling: Telling, accounts: Accounts) -> str:
    unfinished = telling[name("uses", {RESULT: uses.UNFINISHED})]
    entries = sum(accounts.irregularities.values())
    fit = "All entries fit together." if not entries else "Some entries do not fit together: see the last table."
    return f"{_capital(_number(unfinished, 'use', 'uses'))} {_were(unfinished)} begun and not ended. {fit}"


def _shares(part: Told, whole: Told) -> str:
    share = percent(part.over(whole))
    return f" ({share})" if share else ""


def _number(count: Told, one: str, more: str) -> str:
    return f"{count.spoken} {_plural(count, one, more)}"


def _plural(count: Told, one: str, more: str) -> str:
    return one if count.value == 1 else more


def _were(count: Told) -> str:
    return _plural(count, "was", "were")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
