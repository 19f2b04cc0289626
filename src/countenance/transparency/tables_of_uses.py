"""What is told about uses: face searches first, then everything that was asked for, denials, and moratoria."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from countenance.transparency import uses
from countenance.transparency.accounts import Accounts
from countenance.transparency.families import SEARCHES
from countenance.transparency.moratoria import ALLOWED, DENIED, SUSPENDED_KIND
from countenance.transparency.sheet import ALL, Axis, Name, Sheet, Table, axis, name, table
from countenance.transparency.uses import Asked

KIND = "organization kind"
FAMILY = "family"
RESULT = "result"
MORATORIUM = "moratorium"
OTHER_USES = "other uses"

# What came of a search: a completed one is told by what it found.
SEARCH_RESULTS = (*uses.FINDINGS, *uses.RESULTS[1:])

SEARCH_SECTION = "Face searches"
USE_SECTION = "All uses"
DENIAL_SECTION = "Denials"
MORATORIUM_SECTION = "Moratoria"

Pairs = Counter[tuple[str, str]]

# Searches that brought somebody up, whether it was told or withheld.
BROUGHT_UP = name("searches that brought somebody up")


def searches(*of: tuple[str, str]) -> Name:
    """The name of a count of face searches."""
    return name("uses", {FAMILY: SEARCHES, **dict(of)})


def candidates(measure: str) -> Name:
    """The name of a count of what completed searches brought up, by all kinds of organizations."""
    return name(f"searches: {measure}")


def tables_of_searches(sheet: Sheet, accounts: Accounts) -> Iterator[Table]:
    """Who searched for faces, for what, and what came of it."""
    asked = [(one, result, count) for (one, result), count in accounts.uses.asked().items() if one.is_search]
    kinds = axis(KIND, (one.kind for one, _, _ in asked))

    results = _pairs((one.kind, result, count) for one, result, count in asked if result != uses.COMPLETED)
    results.update(accounts.uses.findings)
    where = {FAMILY: SEARCHES}
    columns = Axis(RESULT, SEARCH_RESULTS)
    cells = sheet.cross("uses", results, kinds, columns, where=where)
    sheet.add_up(searches((RESULT, uses.COMPLETED)), [searches((RESULT, finding)) for finding in uses.FINDINGS])
    sheet.essential |= {searches(), *(searches((RESULT, result)) for result in SEARCH_RESULTS)}
    sheet.essential |= {candidates(measure) for measure in ("searches", *uses.MEASURES)}
    yield table(
        ("searches_by_result", SEARCH_SECTION, "Who searched for faces, and what came of it"), kinds, columns, cells
    )
    dimensions: tuple[tuple[str, str, Callable[[Asked], str]], ...] = (
        ("month", "When faces were searched for", lambda one: one.month),
        ("purpose", "For what purpose", lambda one: one.purpose),
        ("legal basis", "On what legal basis", lambda one: one.basis),
        ("made for", "On whose behalf: the kind of organization that a search was made for", lambda one: one.made_for),
    )
    for dimension, title, value in dimensions:
        counts = _pairs((value(one), one.kind, count) for one, _, count in asked)
        rows = axis(dimension, (row for row, _ in counts))
        yield table(
            (f"searches_by_{dimension.replace(' ', '_')}", SEARCH_SECTION, title),
            rows,
            kinds,
            sheet.cross("uses", counts, rows, kinds, where=where),
        )
    yield _found(sheet, accounts, kinds)


def _found(sheet: Sheet, accounts: Accounts, kinds: Axis) -> Table:
    cells: dict[tuple[str, str], Name] = {}
    for kind in kinds.values:
        looked = [searches((KIND, kind), (RESULT, finding)) for finding in uses.SEARCHED]
        cells[kind, "searches"] = sheet.add_up(name("searches: searches", {KIND: kind}), looked)
        for measure in uses.MEASURES:
            count = name(f"searches: {measure}", {KIND: kind})
            cells[kind, measure] = sheet.put(count, accounts.uses.candidates[kind, measure])
    sheet.add_up(BROUGHT_UP, [searches((RESULT, finding)) for finding in (uses.CANDIDATES, uses.WITHHELD)])
    measures = ("searches", *uses.MEASURES)
    for measure in measures:
        cells[ALL, measure] = sheet.add_up(candidates(measure), [cells[kind, measure] for kind in kinds.values])
    for row in kinds.all_values:
        of = () if row == ALL else ((KIND, row),)
        # Most searches have one probe, and many bring up one candidate.
        sheet.suspect(cells[row, uses.PROBES], cells[row, "searches"])
        sheet.suspect(cells[row, uses.CANDIDATES_RETURNED], searches(*of, (RESULT, uses.CANDIDATES)))
        sheet.suspect(cells[row, uses.CANDIDATES_WITHHELD], searches(*of, (RESULT, uses.WITHHELD)))
    return table(
        ("candidates", SEARCH_SECTION, "What completed searches brought up"),
        kinds,
        Axis("count", measures, total=False),
        cells,
        note="A probe is a face, or a photo of one, that was searched with. Candidates are the faces or people "
        "that a search brought up, each of them somebody who may be another than the one who was looked for.",
    )


def tables_of_uses(sheet: Sheet, accounts: Accounts) -> Iterator[Table]:
    """Everything that was asked for."""
    asked = [(one, result, count) for (one, result), count in accounts.uses.asked().items()]
    families = axis(FAMILY, (one.family for one, _, _ in asked))
    kinds = axis(KIND, (one.kind for one, _, _ in asked))
    by_kind = _pairs((one.family, one.kind, count) for one, _, count in asked)
    yield table(
        ("uses_by_family", USE_SECTION, "Who asked for what"),
        families,
        kinds,
        sheet.cross("uses", by_kind, families, kinds),
        note="Every request that was let in counts once, also those that were denied.",
    )
    by_result = _pairs((one.family, result, count) for one, result, count in asked)
    columns = Axis(RESULT, uses.RESULTS)
    yield table(
        ("uses_by_result", USE_SECTION, "What came of it"),
        families,
        columns,
        sheet.cross("uses", by_result, families, columns),
        note="Denied: by policy. Refused: permitted, but impossible as asked, such as a photo without a face. Failed: "
        "by a fault of the server. Unfinished: begun and not ended at this checkpoint; it was going on, or the server "
        "stopped in the midst of it.",
    )
    split = Axis(FAMILY, (SEARCHES, OTHER_USES))
    if SEARCHES not in families.values:
        sheet.put(name("uses", {FAMILY: SEARCHES}), 0)
    sheet.add_up(
        name("uses", {FAMILY: OTHER_USES}),
        [name("uses", {FAMILY: family}) for family in families.values if family != SEARCHES],
    )
    dimensions: tuple[tuple[str, str, Callable[[Asked], str]], ...] = (
        ("month", "When", lambda one: one.month),
        ("purpose", "For what purpose", lambda one: one.purpose),
        ("legal basis", "On what legal basis", lambda one: one.basis),
    )
    for dimension, title, value in dimensions:
        counts = _pairs((value(one), _split(one), count) for one, _, count in asked)
        rows = axis(dimension, (row for row, _ in counts))
        yield table(
            (f"uses_by_{dimension.replace(' ', '_')}", USE_SECTION, title),
            rows,
            split,
            sheet.cross("uses", counts, rows, split),
        )


def tables_of_denials(sheet: Sheet, accounts: Accounts) -> Iterator[Table]:
    """Which policies denied uses, and to whom."""
    denials = accounts.uses.denials
    policies = axis("policy", (policy for policy, _ in denials))
    kinds = axis(KIND, (kind for _, kind in denials))
    yield table(
        ("denials_by_policy", DENIAL_SECTION, "Which policies denied uses, and to whom"),
        policies,
        kinds,
        sheet.cross("denials", denials, policies, kinds),
        note="A use that several policies deny counts once for each of them.",
    )
    sheet.suspect(name("denials"), name("uses", {RESULT: uses.DENIED}))


def tables_of_moratoria(sheet: Sheet, accounts: Accounts) -> Iterator[Table]:
    """What those whom a moratorium suspends asked for all the same, and what they were given."""
    exemptions = accounts.exemptions
    names = sorted(accounts.changes.moratoria)
    rows = Axis(MORATORIUM, tuple(names), total=False)
    columns = Axis("decision", (ALLOWED, DENIED))
    yield table(
        (
            "moratoria",
            MORATORIUM_SECTION,
            "Face searches that suspended organizations asked for, or that were asked for on their behalf, "
            "while a moratorium was in force",
        ),
        rows,
        columns,
        sheet.cross(MORATORIUM, exemptions.decided, rows, columns),
        note="What was allowed was allowed by an exemption of the moratorium.",
    )
    for dimension, title, counts in (
        ("purpose", "Exemptions used, by purpose", exemptions.purposes),
        (KIND, "Exemptions used, by the kind of organization that asked", exemptions.kinds),
    ):
        parts = axis(dimension, (part for _, part in counts), total=False)
        # The total is what was allowed: a count that is told above.
        cells = sheet.cross("exemptions", counts, rows, parts)
        for moratorium in names:
            allowed = name(MORATORIUM, {MORATORIUM: moratorium, "decision": ALLOWED})
            cells[moratorium, ALL] = sheet.add_up(allowed, [cells[moratorium, part] for part in parts.values])
        identity = (f"exemptions_by_{dimension.replace(' ', '_')}", MORATORIUM_SECTION, title)
        yield table(identity, rows, Axis(dimension, parts.values), cells)
    # A search that several policies permit counts for each: these have no total.
    policies = axis("policy", (policy for _, policy in exemptions.policies), total=False)
    yield table(
        ("exemptions_by_policy", MORATORIUM_SECTION, "Exemptions used, by the policies that permitted them"),
        rows,
        policies,
        sheet.cross("exemptions", exemptions.policies, rows, policies),
        note="A search that several policies permit counts once for each of them.",
    )
    for moratorium in names:
        of = {MORATORIUM: moratorium}
        for policy in policies.values:
            allowed = name(MORATORIUM, {**of, "decision": ALLOWED})
            sheet.suspect(name("exemptions", {**of, "policy": policy}), allowed)
        sheet.suspect(name(MORATORIUM, of), searches((KIND, SUSPENDED_KIND)))
        denied = searches((KIND, SUSPENDED_KIND), (RESULT, uses.DENIED))
        sheet.suspect(name(MORATORIUM, {**of, "decision": DENIED}), denied)


def _split(one: Asked) -> str:
    return SEARCHES if one.is_search else OTHER_USES


def _pairs(counted: Iterable[tuple[str, str, int]]) -> Pairs:
    counts: Pairs = Counter()
    for row, column, count in counted:
        counts[row, column] += count
    return counts
