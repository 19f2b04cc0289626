"""What came of each treatment of the crop, on the same people: error rates of groups, and how unequal they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.box import MARKDOWN
from rich.table import Table
from scipy.stats import gmean

from bench import machine
from bench.sightings import Sightings
from bench.treatments import SHIPPED, TREATMENTS
from countenance.fairness.audit import Question, audit_points
from countenance.fairness.data.datasets import DataSet
from countenance.fairness.data.enrolment import Enrolment
from countenance.fairness.record import ALL, EVERYONE, OperatingPoint
from countenance.fairness.statistics.evidence import Group, of_templates
from countenance.fairness.statistics.intervals import in_batches, normal_quantile, subject_weights
from countenance.fairness.statistics.paired import SEED, Errors, errors_of
from countenance.vision.calibration import Calibration

CONFIDENCE = 0.95
REPLICATES = 500
FACE_MODEL_VERSION = "1.0"

# Comparisons that score at least this are known one by one, so that all operating points are exact.
DOWN_TO = 0.3


def titled(sightings: Sightings, title: str, columns: Sequence[str]) -> Table:
    """An empty table about a data set."""
    table = Table(box=MARKDOWN, title=f"{sightings.data_set.name}: {title}", title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column == "" else "right")
    return table


@dataclass(frozen=True, slots=True, eq=False)
class Treated:
    """What came of one treatment."""

    points: Sequence[OperatingPoint]
    errors: Errors

    def at(self, point: str) -> OperatingPoint:
        """One of the operating points."""
        return next(one for one in self.points if one.name == point)

    def drawn(self, point: str) -> dict[tuple[str, Group], NDArray[np.float64]]:
        """FMR and FNMR of every group in replicates that draw people, the same for every treatment: as measured first,
        then float64 (REPLICATES,).
        """
        place, errors = self.errors.place(point), self.errors
        rates: dict[tuple[str, Group], list[NDArray[np.float64]]] = {}
        nobody_twice = np.ones((1, errors.population))
        for weights in (nobody_twice, *in_batches(subject_weights(errors.population, REPLICATES, SEED))):
            for number, group in enumerate(errors.groups):
                rates.setdefault(("FMR", group), []).append(errors.fmr(place, number, weights))
                if (missed := errors.fnmr(place, number, weights)) is not None:
                    rates.setdefault(("FNMR", group), []).append(missed)
        return {what: np.concatenate(parts) for what, parts in rates.items()}


def treated(data_set: DataSet, sightings: Sightings, question: Question) -> Iterator[Table]:
    """Error rates of every treatment, beside what ships; by the groupings of `data_set`, which has the same photos."""
    by_name = {image.name: image for image in data_set.images}
    found = tuple(by_name[image.name] for image, _ in sightings.found)
    embeddings = sightings.embeddings()
    calibration = Calibration.packaged(FACE_MODEL_VERSION)
    outcomes: dict[str, Treated] = {}
    for place, treatment in enumerate(TREATMENTS):
        unit = embeddings[:, place] / np.linalg.norm(embeddings[:, place], axis=1, keepdims=True)
        enrolment = Enrolment(data_set, found, unit.astype(np.float32), (), "the same photos")
        evidence = of_templates(enrolment, workers=machine.cores(), down_to=DOWN_TO)
        points = audit_points(evidence, question, calibration)
        errors = errors_of(enrolment, evidence, points)
        assert errors is not None
        outcomes[treatment] = Treated(points, errors)
    for point in outcomes[SHIPPED].points:
        if point.threshold is None:
            continue
        there = {treatment: one for treatment, one in outcomes.items() if one.at(point.name).threshold is not None}
        drawn = {treatment: one.drawn(point.name) for treatment, one in there.items()}
        for differential in point.differentials:
            left_out = {name for one in there.values() for name in _left_out(one.at(point.name), differential.grouping)}
            groups = [
                group
                for group in outcomes[SHIPPED].errors.groups
                if group.grouping == differential.grouping and group.name not in left_out
            ]
            if len(groups) > 1:
                yield _spreads(sightings, point.name, groups, there, drawn)
        yield from _rates(sightings, point.name, there, drawn)


Drawn = Mapping[str, Mapping[tuple[str, Group], NDArray[np.float64]]]


def _left_out(point: OperatingPoint, grouping: str) -> tuple[str, ...]:
    return next(one for one in point.differentials if one.grouping == grouping).left_out


def _spreads(
    sightings: Sightings, point: str, groups: Sequence[Group], there: Mapping[str, Treated], drawn: Drawn
) -> Table:
    """How unequal false match rates are, and how many times as unequal as with what ships, paired."""
    columns = ["", "threshold", "FMR of everyone", "worst group", "its FMR", "max/geometric mean", "times shipped"]
    table = titled(sightings, f"FMR among the groups of {groups[0].grouping} at {point}", columns)
    shipped = _unequal(drawn[SHIPPED], groups)
    for treatment, one in there.items():
        at = one.at(point)
        fmrs = {group: float(drawn[treatment]["FMR", group][0]) for group in groups}
        worst = max(groups, key=fmrs.__getitem__)
        unequal = _unequal(drawn[treatment], groups)
        table.add_row(
            treatment,
            f"{at.threshold:.3f}",
            f"{at.of(ALL, EVERYONE).fmr.rate or 0:.2g}",
            worst.name,
            f"{fmrs[worst]:.2g}",
            _interval(unequal),
            "" if treatment == SHIPPED else _interval(unequal / shipped, apart_from=1.0),
        )
    return table


def _unequal(drawn: Mapping[tuple[str, Group], NDArray[np.float64]], groups: Sequence[Group]) -> NDArray[np.float64]:
    """Max/geometric mean of the FMR; not a number where a group shows no error."""
    rates = np.stack([drawn["FMR", group] for group in groups])
    seen = (rates > 0).all(axis=0)
    result = np.full(rates.shape[1], np.nan)
    result[seen] = rates[:, seen].max(axis=0) / gmean(rates[:, seen], axis=0)
    return result


def _interval(values: NDArray[np.float64], apart_from: float | None = None) -> str:
    """What was measured with the interval of the replicates after it; * where that does not reach to `apart_from`."""
    replicates = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or len(replicates) < 0.99 * REPLICATES:
        return "cannot be shown"
    low, high = np.quantile(replicates, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    mark = "" if apart_from is None or low <= apart_from <= high else "*"
    return f"{values[0]:.2f} [{low:.2f}, {high:.2f}]{mark}"


def _rates(sightings: Sightings, point: str, there: Mapping[str, Treated], drawn: Drawn) -> Iterator[Table]:
    """Rates of every group; * where the difference from what ships is real.

    That is as of `countenance.fairness.statistics.paired.differences`: its standard errors, over people, do not reach
    to 0, in all groups together.
    """
    reach = normal_quantile(CONFIDENCE, len(drawn[SHIPPED]))

    def real(treatment: str, what: tuple[str, Group]) -> bool:
        difference = drawn[treatment][what] - drawn[SHIPPED][what]
        return bool(abs(difference[0]) > reach * difference[1:].std() > 0)

    for error in ("FMR", "FNMR"):
        table = titled(sightings, f"{error} at {point}", ["", *there])
        for group in there[SHIPPED].at(point).groups:
            cells = []
            for treatment, one in there.items():
                rates = one.at(point).of(group.grouping, group.group)
                rate = rates.fmr if error == "FMR" else rates.fnmr
                if rate is None or rate.interval is None:
                    continue
                mark = "*" if real(treatment, (error, Group(group.grouping, group.group))) else ""
                seen = f"{rate.rate or 0:.2g}" if error == "FMR" else f"{rate.errors}/{rate.comparisons}"
                interval = f" [{rate.interval.low:.2g}, {rate.interval.high:.2g}]" if treatment == SHIPPED else ""
                cells.append(f"{seen}{interval}{mark}")
            if cells:
                table.add_row(group.group, *cells)
        if table.row_count:
            yield table
