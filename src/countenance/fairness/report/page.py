"""The report as a page: one file without scripts or anything from elsewhere, that reads and prints well."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from countenance.fairness.numbers import number, one_in, percent
from countenance.fairness.record import (
    ALL,
    AuditRecord,
    Differential,
    GroupRates,
    OperatingPoint,
    Population,
    Statement,
)
from countenance.fairness.report import words
from countenance.fairness.report.figures import Picture, drawing
from countenance.fairness.report.pictures import Pictures, by_fmr
from countenance.fairness.report.searches import search_views

# Of each error, in a table: there may be one for every two groups.
MOST_STATEMENTS = 10


@dataclass(frozen=True)
class GroupingView:
    """The groups of a grouping at one operating point; `more` statements could be made."""

    title: str
    grouping: str
    rates: Picture
    rows: list[GroupRates]
    cross: Picture | None
    differential: Differential | None
    statements: list[Statement]
    more: int


@dataclass(frozen=True)
class PointView:
    """One operating point. `worst_fmr`, `worst_fnmr`: the group in which the error is known to be highest."""

    place: int
    point: OperatingPoint
    everyone: GroupRates | None
    worst_fmr: GroupRates | None
    worst_fnmr: GroupRates | None
    differential: Differential | None
    groupings: list[GroupingView]


@cache
def environment() -> Environment:
    """Templates of the page: everything that is not the template's own is escaped."""
    found = Environment(
        loader=PackageLoader("countenance.fairness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters |= {"number": number, "one_in": one_in, "percent": percent}
    found.filters |= {
        name: getattr(words, name)
        for name in ("between", "bound", "in_short", "clean", "grouping_title", "point_title")
    }
    found.globals["label"] = words.label
    found.globals["nothing"] = words.NOTHING
    return found


def to_html(record: AuditRecord) -> str:
    """The page."""
    templates = environment()
    assert templates.loader is not None
    style, _, _ = templates.loader.get_source(templates, "report.css")
    with drawing():
        pictures = Pictures(record)
        return templates.get_template("report.html").render(
            record=record,
            style=style,
            groupings=pictures.groupings,
            populations={grouping: _populations(record, grouping) for grouping in (ALL, *pictures.groupings)},
            failures={grouping: pictures.failures(grouping) for grouping in pictures.groupings},
            headline=_headline(pictures),
            points=[_point_view(point, place, pictures) for place, point in enumerate(record.points, 1)],
            det=[pictures.det(grouping) for grouping in pictures.groupings or [ALL]],
            scores=[pictures.scores(grouping) for grouping in pictures.groupings or [ALL]],
            searches=list(search_views(pictures)),
            ageing=pictures.ageing(),
        )


def _headline(pictures: Pictures) -> Picture | None:
    """Errors at the threshold that the answer speaks of: the first that exists."""
    point = next((point for point in pictures.record.points if point.threshold is not None), None)
    return None if point is None else pictures.rates(point, 0, (pictures.groupings or [ALL])[0])


def _populations(record: AuditRecord, grouping: str) -> list[Population]:
    return [population for population in record.populations if population.grouping == grouping]


def _point_view(point: OperatingPoint, place: int, pictures: Pictures) -> PointView:
    everyone = [rates for rates in point.groups if rates.grouping == ALL]
    finest = pictures.groupings[-1] if pictures.groupings else ALL
    groups = [rates for rates in point.groups if rates.grouping != ALL]
    return PointView(
        place=place,
        point=point,
        everyone=everyone[0] if everyone else None,
        worst_fmr=max((one for one in groups if one.fmr.rate), key=lambda one: one.fmr.rate or 0, default=None),
        worst_fnmr=max(
            (one for one in groups if one.fnmr and one.fnmr.rate),
            key=lambda one: (one.fnmr and one.fnmr.rate) or 0,
            default=None,
        ),
        differential=next((one for one in point.differentials if one.grouping == finest), None),
        groupings=[_grouping_view(point, place, grouping, pictures) for grouping in pictures.groupings or [ALL]]
        if point.groups
        else [],
    )


def _grouping_view(point: OperatingPoint, place: int, grouping: str, pictures: Pictures) -> GroupingView:
    statements = [one for one in point.statements if one.grouping == grouping]
    first = [one for error in ("FMR", "FNMR") for one in _of(error, statements)[:MOST_STATEMENTS]]
    return GroupingView(
        title=words.grouping_title(grouping),
        grouping=grouping,
        rates=pictures.rates(point, place, grouping),
        rows=by_fmr(point, grouping),
        cross=pictures.cross(point, place, grouping),
        differential=next((one for one in point.differentials if one.grouping == grouping), None),
        statements=first,
        more=len(statements) - len(first),
    )


def _of(error: str, statements: list[Statement]) -> list[Statement]:
    return [one for one in statements if one.error == error]
