"""The report as a page: one file without scripts, pictures or anything from elsewhere, that reads and prints well.

Made of the report alone, so `countenance transparency --format html` gives the same bytes as the server.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from countenance.transparency.formats import cells_by_row, columns, told
from countenance.transparency.report import Count, Report, Table
from countenance.transparency.sheet import ALL
from countenance.transparency.suppression import Suppression

# Of the diagram: in units of the picture, which is scaled to the page.
WIDTH = 720
HEIGHT = 120
# More months than this have a label only in January.
MAX_LABELS = 18

_CLASSES = {Suppression.SMALL: "small", Suppression.COMPLEMENTARY: "hidden"}


@dataclass(frozen=True)
class Cell:
    """A count in words, and how it is set."""

    text: str
    kind: str


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    name: str
    cells: Sequence[Cell]
    is_total: bool


@dataclass(frozen=True)
class Bar:
    """A month of the diagram, in its units. `value` and `label` are empty where there is no room."""

    title: str
    value: str
    label: str
    x: float
    y: float
    width: float
    height: float
    kind: str


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("countenance.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"told": told, "words": words, "day": day}
    return environment


@cache
def style() -> str:
    """The style sheet of the page."""
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, "report.css")[0]


def style_hash() -> str:
    """What a Content-Security-Policy permits the page's style by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()}"


def to_html(report: Report) -> str:
    """The page."""
    sections: dict[str, list[Table]] = {}
    for table in report.tables:
        sections.setdefault(table.section, []).append(table)
    return (
        _environment()
        .get_template("report.html")
        .render(report=report, sections=sections, style=style(), columns=columns, rows=rows, bars=bars)
    )


def words(name: str) -> str:
    """A word of a closed list as people write it."""
    return name.replace("_", " ")


def day(time: str | None) -> str:
    """The day of a time."""
    return "" if time is None else time[: len("2020-06-10")]


def rows(table: Table) -> Iterator[Row]:
    """A table row by row."""
    for name, cells in cells_by_row(table):
        yield Row(name, [Cell(told(cell), _kind(cell)) for cell in cells], name == ALL)


def _kind(count: Count) -> str:
    return _CLASSES[count.suppressed] if count.suppressed else "zero" if count.value == 0 else ""


def bars(table: Table) -> list[Bar]:
    """A diagram of the totals of a table's rows; what is not told is drawn as a hollow bar of no particular height."""
    totals = [cell for cell in table.cells if cell.column == ALL and cell.row != ALL]
    most = max((cell.value or 0 for cell in totals), default=0)
    width = WIDTH / max(len(totals), 6)
    found = []
    for place, cell in enumerate(totals):
        height = HEIGHT * (cell.value or 0) / most if most and cell.value is not None else HEIGHT / 12
        labelled = len(totals) <= MAX_LABELS or cell.row.endswith("-01")
        found.append(
            Bar(
                title=f"{cell.row}: {told(cell)}",
                value=told(cell) if len(totals) <= MAX_LABELS and not cell.suppressed else "",
                label=cell.row if labelled else "",
                x=round(place * width + width * 0.1, 2),
                y=round(HEIGHT - height, 2),
                width=round(width * 0.8, 2),
                height=round(height, 2),
                kind="hollow" if cell.suppressed else "",
            )
        )
    return found
