"""The figures of a record, each with a caption and with what can be seen in it."""

from __future__ import annotations

from countenance.fairness.numbers import one_in, percent
from countenance.fairness.record import ALL, AuditRecord, Curve, Distribution, GroupRates, OperatingPoint, Rate
from countenance.fairness.report import curve_charts
from countenance.fairness.report.figures import Picture, svg
from countenance.fairness.report.heat_maps import cross_figure
from countenance.fairness.report.rate_charts import Panel, rates_figure, seen
from countenance.fairness.report.words import grouping_title, label


class Pictures:
    """Draws what a record has: nothing where it has nothing to draw."""

    def __init__(self, record: AuditRecord) -> None:
        self.record = record
        found = [
            *(one.grouping for one in record.populations),
            *(one.grouping for point in record.points for one in point.groups),
        ]
        self.groupings = [grouping for grouping in dict.fromkeys(found) if grouping != ALL]
        self._orders = {grouping: self._order(grouping) for grouping in [ALL, *self.groupings]}

    def order(self, grouping: str) -> list[str]:
        """All groups, highest false match rate first, by the operating point at which most of them are known."""
        return self._orders[grouping]

    def _order(self, grouping: str) -> list[str]:
        orders = [by_fmr(point, grouping) for point in self.record.points]
        best = max(orders, key=lambda rates: sum(one.fmr.shown for one in rates), default=[])
        members = [one.group for one in self.record.populations if one.grouping == grouping]
        return list(dict.fromkeys([*(one.group for one in best), *members]))

    def rates(self, point: OperatingPoint, place: int, grouping: str) -> Picture:
        """FMR and FNMR of the groups at an operating point."""
        found = by_fmr(point, grouping)
        names = [label(grouping, one.group) for one in found]
        everyone = next((one for one in point.groups if one.grouping == ALL), None)
        fnmr = [one.fnmr for one in found]
        panels = [
            Panel(
                "False match rate",
                [one.fmr for one in found],
                None if everyone is None else everyone.fmr.rate,
                point.target,
            )
        ]
        if any(fnmr):
            whole = everyone.fnmr.rate if everyone and everyone.fnmr else None
            panels.append(Panel("False non-match rate", fnmr, whole))
        told = " ".join(seen(names, panel) for panel in panels)
        target = "" if point.target is None else f" The dotted line is the target, {one_in(point.target)}."
        caption = (
            f"{point.name}: errors {grouping_title(grouping)} on a logarithmic scale, with "
            f"{percent(self.record.confidence)} intervals. Hollow: too few errors to know the rate. Arrow: no error "
            f"was seen; the rate is at most where the arrow begins. The dashed line is the rate of everyone.{target}"
        )
        name = f"rates-{place}-{self.number(grouping)}"
        return Picture(svg(rates_figure(names, panels), name, told), caption)

    def cross(self, point: OperatingPoint, place: int, grouping: str) -> Picture | None:
        """FMR across groups at an operating point."""
        groups = [one.group for one in by_fmr(point, grouping)]
        numbers = {group: number for number, group in enumerate(groups)}
        cells = {}
        for one in point.cross:
            if one.grouping == grouping and one.group in numbers and one.other in numbers:
                first, second = sorted((numbers[one.group], numbers[one.other]), reverse=True)
                cells[first, second] = one.fmr
        if not cells:
            return None
        names = [label(grouping, group) for group in groups]
        rates = {cell: rate.rate for cell, rate in cells.items() if rate.rate}
        told = "False match rates across groups."
        if rates:
            row, column = max(rates, key=lambda cell: rates[cell])
            told = f"{told} Highest: {names[row]} with {names[column]}, {one_in(rates[row, column])}."
        caption = (
            f"{point.name}: false matches in a million comparisons between members of two groups "
            f"{grouping_title(grouping)}; on the diagonal, within one group. Darker is higher. Italic: too few errors "
            "to know the rate. Hatched: none was seen, and there are at most so many."
        )
        return Picture(svg(cross_figure(names, cells), f"cross-{place}-{self.number(grouping)}", told), caption)

    def failures(self, grouping: str) -> Picture | None:
        """Failures to enrol, where there are any."""
        found = [one for one in self.record.populations if one.grouping == grouping and one.failures is not None]
        if not any(one.failures.errors for one in found if one.failures is not None):
            return None
        found.sort(key=lambda one: -_height(one.failures))
        names = [label(grouping, one.group) for one in found]
        everyone = next((one.failures for one in self.record.populations if one.grouping == ALL), None)
        panel = Panel("Failure to enrol", [one.failures for one in found], everyone.rate if everyone else None)
        sure = percent(self.record.confidence)
        caption = f"Images {grouping_title(grouping)} in which no usable face was found, with {sure} intervals."
        return Picture(
            svg(rates_figure(names, [panel]), f"failures-{self.number(grouping)}", seen(names, panel)), caption
        )

    def det(self, grouping: str) -> Picture | None:
        """DET curves."""
        curves = {one.group: one for one in self.record.curves if one.grouping == grouping}
        groups = [group for group in self._orders[grouping] if group in curves and _drawable(curves[group])]
        if not groups:
            return None
        everyone = next((one for one in self.record.curves if one.grouping == ALL), None) if grouping != ALL else None
        figure = curve_charts.det_figure(
            [label(grouping, group) for group in groups], [curves[group] for group in groups], everyone
        )
        caption = (
            f"DET curves {grouping_title(grouping)}: what each threshold trades between the errors. Blue: the group "
            "of the title; grey: the other groups; dashed: everyone. Nearer to the lower left corner is better. Dotted "
            "along an edge: no error of that kind was seen, and the data do not show how rare it is."
        )
        told = f"Detection error trade-off curves of {len(groups)} groups. Their numbers are in the JSON report."
        return Picture(svg(figure, f"det-{self.number(grouping)}", told), caption)

    def scores(self, grouping: str) -> Picture | None:
        """Distributions of scores."""
        found = {(one.group, one.mated): one for one in self.record.distributions if one.grouping == grouping}
        groups = [group for group in self._orders[grouping] if (group, False) in found]
        if not groups:
            return None
        mated: list[Distribution | None] = [found.get((group, True)) for group in groups]
        first = found[groups[0], False]
        width = (first.high - first.low) / max(len(first.counts), 1)
        marks = [point.threshold for point in self.record.points if point.threshold is not None]
        figure = curve_charts.scores_figure(
            [label(grouping, group) for group in groups], [found[group, False] for group in groups], mated, marks
        )
        caption = (
            f"Scores {grouping_title(grouping)}: the share of comparisons in every {width:.2g} of score, on a "
            "logarithmic scale. Solid: comparisons of different people; dashed: of one person. Dotted: the thresholds "
            "of this report."
        )
        told = f"Distributions of the scores of {len(groups)} groups. Their numbers are in the JSON report."
        return Picture(svg(figure, f"scores-{self.number(grouping)}", told), caption)

    def ageing(self) -> Picture | None:
        """False non-match rate by the years between photos."""
        gaps = self.record.ageing
        points = [point.name for point in self.record.points if any(point.name in gap.fnmr for gap in gaps)]
        if not points:
            return None
        caption = (
            "False non-match rate by how many years lie between the two photos of a person. Hollow: too few errors to "
            "know the rate. Dotted: none was seen; the rate is at most so high."
        )
        told = f"False non-match rates at {len(gaps)} age gaps; the table follows."
        return Picture(svg(curve_charts.ageing_figure(gaps, points), "ageing", told), caption)

    def number(self, grouping: str) -> int:
        """Of a grouping: part of the identifiers of its figures."""
        return list(self._orders).index(grouping)


def by_fmr(point: OperatingPoint, grouping: str) -> list[GroupRates]:
    """The groups at an operating point, highest false match rate first."""
    found = [one for one in point.groups if one.grouping == grouping]
    return sorted(found, key=lambda one: -_height(one.fmr))


def _height(rate: Rate | None) -> float:
    """For sorting: what a rate is, or less than any that was seen, by what it is at most."""
    if rate is None or rate.interval is None:
        return 0.0
    return rate.interval.high / 1e6 if rate.rate is None else rate.rate


def _drawable(curve: Curve) -> bool:
    return any(point.fmr and point.fnmr for point in curve.points)
