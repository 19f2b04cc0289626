"""Errors of 1:N searches: for each threshold a figure of them by the gallery's size, and a table of the largest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from countenance.fairness.numbers import percent
from countenance.fairness.record import ALL, Identification, Rate
from countenance.fairness.report.curve_charts import Series, gallery_figure
from countenance.fairness.report.figures import Picture, svg
from countenance.fairness.report.pictures import Pictures
from countenance.fairness.report.rate_charts import Panel, rates_figure, seen
from countenance.fairness.report.words import grouping_title, label

_MARKS = ("round", "square", "diamond", "triangle")


@dataclass(frozen=True)
class SearchView:
    """Searches at one operating point. The table is of the largest gallery: `heads` name the errors of each row."""

    point: str
    pictures: list[Picture]
    size: int
    sizes: list[int]
    heads: list[str]
    rows: list[tuple[str, list[Rate | None]]]


def search_views(pictures: Pictures) -> Iterator[SearchView]:
    """All operating points that searches were made at."""
    parts = pictures.record.identification
    for place, point in enumerate(dict.fromkeys(one.point for one in parts), 1):
        searches = _Searches([one for one in parts if one.point == point])
        groupings = [ALL, *pictures.groupings]
        drawn = [_picture(point, place, grouping, searches, pictures) for grouping in groupings[1:] or groupings]
        names = [(grouping, group) for grouping in groupings for group in pictures.order(grouping)]
        columns = [series.rates[-1] for series in searches.series(names)]
        yield SearchView(
            point=point,
            pictures=[picture for picture in drawn if picture is not None],
            size=searches.sizes[-1],
            sizes=searches.sizes,
            heads=[series.title for series in searches.series(names)],
            rows=[
                (label(*name), list(rates))
                for name, rates in zip(names, zip(*columns, strict=True), strict=True)
                if any(rate is not None and rate.interval for rate in rates)
            ],
        )


class _Searches:
    """The searches at one operating point."""

    def __init__(self, parts: Sequence[Identification]) -> None:
        self._rates = {
            (part.size, part.rank, one.grouping, one.group): (one.fpir, one.fnir)
            for part in parts
            for one in part.groups
        }
        self.sizes = sorted({part.size for part in parts})
        self._ranks = sorted({part.rank for part in parts})

    def series(self, groups: Sequence[tuple[str, str]]) -> list[Series]:
        """False positives, which are the same for every rank, and false negatives at each; those that were measured."""
        found = [
            Series("FPIR", [[self._of(size, self._ranks[0], group)[0] for group in groups] for size in self.sizes])
        ]
        for rank in self._ranks:
            title = "FNIR, first candidate" if rank == 1 else f"FNIR, first {rank}"
            found.append(Series(title, [[self._of(size, rank, group)[1] for group in groups] for size in self.sizes]))
        return [one for one in found if any(rate is not None for rates in one.rates for rate in rates)]

    def _of(self, size: int, rank: int, group: tuple[str, str]) -> tuple[Rate | None, Rate | None]:
        return self._rates.get((size, rank, *group), (None, None))


def _picture(point: str, place: int, grouping: str, searches: _Searches, pictures: Pictures) -> Picture | None:
    groups = [(grouping, group) for group in pictures.order(grouping)]
    names = [label(*group) for group in groups]
    series = searches.series(groups)
    if not series:
        return None
    intro = f"{point}: searches {grouping_title(grouping)}"
    name = f"searches-{place}-{pictures.number(grouping)}"
    told = " ".join(seen(names, Panel(one.title, one.rates[-1])) for one in series)
    sure = percent(pictures.record.confidence)
    if len(searches.sizes) == 1:
        figure = rates_figure(names, [Panel(one.title, one.rates[0]) for one in series])
        return Picture(
            svg(figure, name, told),
            f"{intro} in a gallery of {searches.sizes[0]:,} people, with {sure} intervals. Hollow: too few errors to "
            "know the rate. Arrow: no error was seen; the rate is at most where the arrow begins.",
        )
    marks = "; ".join(f"{one.title} ({mark})" for mark, one in zip(_MARKS, series, strict=False))
    caption = (
        f"{intro} by the gallery's size, with {sure} intervals. From left to right: {marks}. Hollow: too few errors to "
        "know the rate. Dotted: none was seen; the rate is at most so high."
    )
    return Picture(svg(gallery_figure(names, searches.sizes, series), name, told), caption)
