"""What is told about duties: reviews, authorizations, enrolment and erasure, changes, and what does not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from countenance.transparency import authorizations, retention, reviews, uses
from countenance.transparency.accounts import Accounts
from countenance.transparency.families import FAMILIES
from countenance.transparency.irregularities import Irregularity
from countenance.transparency.sheet import ALL, Axis, Name, Sheet, Table, axis, listed, name, table
from countenance.transparency.tables_of_uses import FAMILY, KIND, RESULT, candidates, searches

REVIEW_SECTION = "Reviews by people"
AUTHORIZATION_SECTION = "Authorizations"
COLLECTION_SECTION = "Enrolment, export and erasure"
CHANGE_SECTION = "Who may act"
IRREGULARITY_SECTION = "What does not fit"

CASES = "review cases"
REVIEWED = "candidates reviewed"
AUTHORIZATIONS = "authorizations"
EMERGENCIES = "emergencies"
ERASURES = "erasures"

# Requests that were granted or refused, and erasures that had to come by a date.
DECIDED = name("authorizations decided")
DATED = name("erasures by a date")


def tables_of_reviews(sheet: Sheet, accounts: Accounts) -> Iterator[Table]:
    """What people found when they looked at what was withheld."""
    results = accounts.reviews.results()
    yield _partition(
        sheet,
        ("reviews", REVIEW_SECTION, "Searches whose candidates were withheld until people had looked at them"),
        CASES,
        "review",
        {result: results[result] for result in reviews.RESULTS},
    )
    confirmed, disclosed = results[reviews.CONFIRMED], accounts.reviews.disclosed
    yield _partition(
        sheet,
        ("disclosures", REVIEW_SECTION, "Whether what was confirmed was told to those who had searched"),
        CASES,
        "disclosure",
        {"told": disclosed, "not told": confirmed - disclosed},
        total=name(CASES, {"review": reviews.CONFIRMED}),
    )
    candidates_reviewed = accounts.reviews.candidates()
    yield _partition(
        sheet,
        ("candidates_reviewed", REVIEW_SECTION, "What became of the candidates in cases that are decided"),
        REVIEWED,
        "candidates",
        {fate: candidates_reviewed[fate] for fate in reviews.CANDIDATES},
    )
    yield _partition(
        sheet,
        ("verdicts", REVIEW_SECTION, "What each person said of each candidate"),
        "verdicts",
        "verdict",
        {verdict: accounts.reviews.verdicts[verdict] for verdict in (reviews.CONFIRMED, reviews.REJECTED)},
    )
    sheet.suspect(name(CASES), searches((RESULT, uses.WITHHELD)))
    sheet.suspect(name(REVIEWED), candidates(uses.CANDIDATES_WITHHELD))
    sheet.suspect(name("verdicts"), name(REVIEWED))


def tables_of_authorizations(sheet: Sheet, accounts: Accounts) -> Iterator[Table]:
    """What was asked for on which legal basis, and what became of it."""
    now = accounts.last or ""
    outcomes = accounts.authorizations.outcomes(now)
    bases = axis("legal basis", (basis for basis, _ in outcomes))
    columns = Axis("outcome", authorizations.OUTCOMES)
    yield table(
        ("authorizations", AUTHORIZATION_SECTION, "What was asked for, and what became of it"),
        bases,
        columns,
        sheet.cross(AUTHORIZATIONS, outcomes, bases, columns),
    )
    decided = (authorizations.REFUSED, *authorizations.GRANTED)
    sheet.add_up(DECIDED, [name(AUTHORIZATIONS, {"outcome": outcome}) for outcome in decided])
    debts = accounts.authorizations.debts(now)
    yield _partition(
        sheet,
        ("emergencies", AUTHORIZATION_SECTION, "Emergencies: used at once, to be approved by a deadline"),
        EMERGENCIES,
        "debt",
        {outcome: debts[outcome] for outcome in authorizations.EMERGENCY_OUTCOMES},
    )
    sheet.suspect(name(EMERGENCIES), name(AUTHORIZATIONS, {"legal basis": "emergency"}))


def tables_of_collections(sheet: Sheet, accounts: Accounts) -> Iterator[Table]:
    """What was put into collections, what left, what was erased and whether in time."""
    for identity, quantity, counts, measures, family in (
        (
            ("enrolments", COLLECTION_SECTION, "Faces put into collections"),
            "enrolments",
            accounts.uses.enrolments,
            ("enrolments", "faces", "faces not good enough"),
            "enrol",
        ),
        (
            ("exports", COLLECTION_SECTION, "Templates that left the server"),
            "exports",
            accounts.uses.exports,
            ("exports", "faces", "users"),
            "export",
        ),
    ):
        kinds = axis(KIND, (kind for kind, _ in counts))
        yield table(
            identity, kinds, Axis("count", measures, total=False), _measured(sheet, quantity, counts, kinds, measures)
        )
        completed = name("uses", {FAMILY: FAMILIES[family][0], RESULT: uses.COMPLETED})
        sheet.suspect(name(f"{quantity}: {measures[0]}"), completed)
    reasons = axis("reason", (reason for reason, _ in accounts.retention.erasures))
    timeliness = Axis("retention", retention.TIMELINESS)
    yield table(
        ("erasures", COLLECTION_SECTION, "Erasures, and whether they came in time"),
        reasons,
        timeliness,
        sheet.cross(ERASURES, accounts.retention.erasures, reasons, timeliness),
        note="Retention: kept as long as was permitted. Refusal: an approval was refused, and what had been made "
        "meanwhile was erased. Expiry: an authorization ended. Late is what its entry says is late, and what came more "
        "than a day after its time.",
    )
    dated = (retention.IN_TIME, retention.LATE)
    sheet.add_up(DATED, [name(ERASURES, {"retention": one}) for one in dated])
    yield table(
        ("erased", COLLECTION_SECTION, "What was erased"),
        reasons,
        Axis("count", retention.MEASURES, total=False),
        _measured(sheet, "erased", accounts.retention.erased, reasons, retention.MEASURES),
    )
    due = sheet.put(name("faces due"), accounts.retention.due(accounts.last or ""))
    erased = name("erased: faces")
    yield listed(
        ("faces whose time was up", "faces erased, for whatever reason"),
        "faces",
        {"faces whose time was up": due, "faces erased, for whatever reason": erased},
        ("retention", COLLECTION_SECTION, "Faces that were to be kept for a time only"),
    )


def tables_of_changes(sheet: Sheet, accounts: Accounts) -> Iterator[Table]:
    """Changes of organizations, principals and keys, and which recognizers answered."""
    keys = Counter({(_words(subject), change): count for (subject, change), count in accounts.changes.keys.items()})
    subjects = axis("subject", (subject for subject, _ in keys), total=False)
    changes = axis("change", (change for _, change in keys), total=False)
    yield table(
        ("keys", CHANGE_SECTION, "Organizations, principals and keys"),
        subjects,
        changes,
        sheet.cross("keys", keys, subjects, changes),
    )
    kinds = axis(KIND, (kind for kind, _ in accounts.changes.organizations))
    changes = axis("change", (change for _, change in accounts.changes.organizations), total=False)
    cells = sheet.cross("organizations", accounts.changes.organizations, kinds, changes)
    yield table(("organizations", CHANGE_SECTION, "Organizations, by what they are or became"), kinds, changes, cells)
    for change in changes.values:
        every = name("organizations", {"change": change})
        sheet.suspect(every, name("keys", {"subject": "organization", "change": change}))
    results = {
        version: sheet.put(name("results", {"recognizer": version}), count)
        for version, count in sorted(accounts.recognizers.items())
    }
    identity = ("recognizers", CHANGE_SECTION, "Results by face model version")
    yield listed(tuple(results), "recognizer", results, identity)


def tables_of_irregularities(sheet: Sheet, accounts: Accounts) -> Iterator[Table]:
    """What must not be in a ledger."""
    rows = [str(one) for one in Irregularity]
    counts = {str(one): count for one, count in accounts.irregularities.items()}
    cells = {row: sheet.put(name("irregularities", {"irregularity": row}), counts.get(row, 0)) for row in rows}
    yield listed(
        rows,
        "irregularity",
        cells,
        ("irregularities", IRREGULARITY_SECTION, "Entries that must not be in a ledger"),
    )


def _partition(
    sheet: Sheet,
    identity: tuple[str, str, str],
    quantity: str,
    dimension: str,
    counts: Mapping[str, int],
    *,
    total: Name | None = None,
) -> Table:
    """A table of one column, whose rows are parts of one whole."""
    cells = {row: sheet.put(name(quantity, {dimension: row}), count) for row, count in counts.items()}
    cells[ALL] = sheet.add_up(total or name(quantity), list(cells.values()))
    return listed((*counts, ALL), dimension, cells, identity)


def _measured(
    sheet: Sheet, quantity: str, counts: Mapping[tuple[str, str], int], rows: Axis, measures: Sequence[str]
) -> dict[tuple[str, str], Name]:
    """Counts of different things side by side, each with its total."""
    cells: dict[tuple[str, str], Name] = {}
    for measure in measures:
        for row in rows.values:
            count = name(f"{quantity}: {measure}", {rows.dimension: row})
            cells[row, measure] = sheet.put(count, counts.get((row, measure), 0))
        total = name(f"{quantity}: {measure}")
        cells[ALL, measure] = sheet.add_up(total, [cells[row, measure] for row in rows.values])
    return cells


def _words(subject: str) -> str:
    return subject.replace("_", " ")
