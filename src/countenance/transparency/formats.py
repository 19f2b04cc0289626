"""The report as text for programs: JSON, and CSV in long form. The same numbers in the same order in both.

Beside them, what every form that people read needs: counts in words, and tables by row.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from countenance.transparency.report import Cell, Count, Report, Table
from countenance.transparency.told import Told

CSV_HEADER = ("table", "row", "column", "value", "suppressed")

# What spreadsheets take for the beginning of a formula (OWASP, CSV injection).
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def told(count: Count) -> str:
    """A count in words."""
    return str(Told(count.value, count.suppressed))


def columns(table: Table) -> list[str]:
    """The names of a table's columns, in their order."""
    return list(dict.fromkeys(cell.column for cell in table.cells))


def cells_by_row(table: Table) -> list[tuple[str, list[Cell]]]:
    """The rows of a table in their order, each by its name, with a cell for each column."""
    rows: dict[str, list[Cell]] = {}
    for cell in table.cells:
        rows.setdefault(cell.row, []).append(cell)
    return list(rows.items())


def to_json(report: Report) -> str:
    """JSON of the published schema."""
    return report.model_dump_json(indent=1) + "\n"


def to_csv(report: Report) -> str:
    """RFC 4180, one value a line: table, row, column, value, suppressed.

    Beside the tables of the report there are `checkpoint`, `headlines`, `rates` (row: the rate, column: `count` or what
    it is divided by), `moratorium dates`, and, with the index of the entry as the row, `policy sets`, `recognizers
    announced`, `qualifications` and `log keys`. A value that is not told is empty, and `suppressed` says why.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(CSV_HEADER)
    writer.writerows([_safe(cell) for cell in line] for line in _lines(report))
    return text.getvalue()


Line = tuple[object, object, object, object, object]

# What is told beside numbers: the table, where it is in the report, what names a row, and the columns.
_FACTS = (
    (
        "moratorium dates",
        "moratoria",
        "name",
        ("announced", "start", "sunset", "at_sunset", "ended", "in_force", "held"),
    ),
    ("policy sets", "policies", "index", ("at", "until", "sha256", "packs", "changes", "proposer", "approver")),
    ("recognizers announced", "models", "index", ("at", "versions", "software")),
    (
        "qualifications",
        "qualifications",
        "index",
        (
            "at",
            "qualification",
            "state",
            "face_model_version",
            "purpose",
            "threshold",
            "report",
            "valid_until",
            "groupings",
            "not_shown",
            "reasons",
            "by",
            "waived_by",
            "waived_by_kind",
            "waiver_reason",
        ),
    ),
    ("log keys", "log_keys", "index", ("at", "old", "new")),
)


def _lines(report: Report) -> Iterator[Line]:
    for field, value in report.checkpoint:
        yield "checkpoint", "", field, value, ""
    for place, sentence in enumerate(report.headlines, 1):
        yield "headlines", place, "", sentence, ""
    for rate in report.rates:
        yield _counted("rates", rate.name, "count", rate.count)
        for share in rate.shares:
            yield _counted("rates", rate.name, share.per, share.count)
            yield "rates", rate.name, f"per {share.per}", share.rate, ""
    for facts, parts, row, fields in _FACTS:
        for part in getattr(report, parts):
            for field in fields:
                yield facts, getattr(part, row), field, _joined(getattr(part, field)), ""
    for table in report.tables:
        for cell in table.cells:
            yield _counted(table.name, cell.row, cell.column, cell)
    for field in ("least", "small", "complementary"):
        yield "suppressed", "", field, getattr(report.suppressed, field), ""


def _counted(table: str, row: str, column: str, count: Count) -> Line:
    return table, row, column, count.value, count.suppressed or ""


def _joined(value: object) -> object:
    return "; ".join(value) if isinstance(value, tuple) else value


def _safe(cell: object) -> object:
    if isinstance(cell, bool):
        return str(cell).lower()
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULAS) else cell
