"""The record's numbers as CSV files (RFC 4180), one observation a line.

rates.csv          error rates: FMR within and across groups, FNMR, FTE, FPIR, FNIR, FNMR by age gap
populations.csv    who is in each group
differentials.csv  how unequal the errors are
statements.csv     which group's error is how many times as high as which other's
curves.csv         DET curves
scores.csv         distributions of scores
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence

from countenance.fairness.record import AuditRecord, Rate

RATES = (
    "point",
    "threshold",
    "grouping",
    "group",
    "other",
    "error",
    "errors",
    "comparisons",
    "subjects",
    "rate",
    "low",
    "high",
    "shown",
    "needs_subjects",
    "gallery",
    "rank",
    "from_years",
    "to_years",
)
POPULATIONS = (
    "grouping",
    "group",
    "subjects",
    "images",
    "failures",
    "subjects_with_mates",
    "mated_comparisons",
    "non_mated_comparisons",
)
DIFFERENTIALS = ("point", "threshold", "grouping", "measure", "error", "value", "low", "high", "worst", "best")
STATEMENTS = ("point", "threshold", "grouping", "error", "group", "other", "ratio", "low", "high")
CURVES = ("grouping", "group", "threshold", "fmr", "fnmr")
SCORES = ("grouping", "group", "mated", "from", "to", "comparisons")

Line = Sequence[object]

# What spreadsheets take for the beginning of a formula (OWASP, CSV injection).
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def to_csv(record: AuditRecord) -> dict[str, str]:
    """The files by their names. A value that is not known is empty: never 0."""
    parts: dict[str, tuple[Line, Callable[[AuditRecord], Iterator[Line]]]] = {
        "rates.csv": (RATES, _rates),
        "populations.csv": (POPULATIONS, _populations),
        "differentials.csv": (DIFFERENTIALS, _differentials),
        "statements.csv": (STATEMENTS, _statements),
        "curves.csv": (CURVES, _curves),
        "scores.csv": (SCORES, _scores),
    }
    return {name: _text(header, lines(record)) for name, (header, lines) in parts.items()}


def _text(header: Line, lines: Iterable[Line]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([_safe(cell) for cell in line] for line in lines)
    return text.getvalue()


def _safe(cell: object) -> object:
    if isinstance(cell, bool):
        return str(cell).lower()
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULAS) else cell


def _rates(record: AuditRecord) -> Iterator[Line]:
    for population in record.populations:
        where: Line = ("", None, population.grouping, population.group, population.group)
        yield from _rate(where, "FTE", population.failures)
    for point in record.points:
        for one in point.groups:
            where = (point.name, point.threshold, one.grouping, one.group, one.group)
            yield from _rate(where, "FMR", one.fmr)
            yield from _rate(where, "FNMR", one.fnmr)
        for cross in point.cross:
            if cross.group != cross.other:
                yield from _rate(
                    (point.name, point.threshold, cross.grouping, cross.group, cross.other), "FMR", cross.fmr
                )
    for search in record.identification:
        for group in search.groups:
            where = (search.point, search.threshold, group.grouping, group.group, group.group)
            yield from _rate(where, "FPIR", group.fpir, search.size, search.rank)
            yield from _rate(where, "FNIR", group.fnir, search.size, search.rank)
    thresholds = {point.name: point.threshold for point in record.points}
    for gap in record.ageing:
        for name, rate in gap.fnmr.items():
            where = (name, thresholds.get(name), "", "everyone", "everyone")
            yield from _rate(where, "FNMR", rate, None, None, gap.from_years, gap.to_years)


def _rate(where: Line, error: str, rate: Rate | None, *rest: object) -> Iterator[Line]:
    if rate is None:
        return
    low, high = (None, None) if rate.interval is None else (rate.interval.low, rate.interval.high)
    known = (rate.errors, rate.comparisons, rate.subjects, rate.rate, low, high, rate.shown, rate.needs_subjects)
    yield (*where, error, *known, *rest, *[None] * (4 - len(rest)))


def _populations(record: AuditRecord) -> Iterator[Line]:
    for one in record.populations:
        failures = None if one.failures is None else one.failures.errors
        counted = (one.subjects_with_mates, one.mated_comparisons, one.non_mated_comparisons)
        yield (one.grouping, one.group, one.subjects, one.images, failures, *counted)


def _differentials(record: AuditRecord) -> Iterator[Line]:
    for point in record.points:
        for one in point.differentials:
            where = (point.name, point.threshold, one.grouping)
            for error, spread in (("FMR", one.fmr), ("FNMR", one.fnmr)):
                if spread is None:
                    continue
                low, high = (None, None) if spread.interval is None else (spread.interval.low, spread.interval.high)
                yield (*where, "max_min", error, spread.max_min, None, None, spread.worst, spread.best)
                yield (*where, "max_geomean", error, spread.max_geomean, low, high, spread.worst, spread.best)
                yield (*where, "gini", error, spread.gini, None, None, spread.worst, spread.best)
            for measure in ("fdr", "ir", "garbe"):
                yield (*where, measure, "", getattr(one, measure), None, None, None, None)


def _statements(record: AuditRecord) -> Iterator[Line]:
    for point in record.points:
        for one in point.statements:
            ends = (one.interval.low, one.interval.high)
            yield (point.name, point.threshold, one.grouping, one.error, one.group, one.other, one.ratio, *ends)


def _curves(record: AuditRecord) -> Iterator[Line]:
    for curve in record.curves:
        for point in curve.points:
            yield (curve.grouping, curve.group, point.threshold, point.fmr, point.fnmr)


def _scores(record: AuditRecord) -> Iterator[Line]:
    for one in record.distributions:
        step = (one.high - one.low) / max(len(one.counts), 1)
        for place, count in enumerate(one.counts):
            if count:
                yield (one.grouping, one.group, one.mated, one.low + place * step, one.low + (place + 1) * step, count)
