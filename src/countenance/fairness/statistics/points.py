"""Operating points: thresholds that were given, or that follow from a wanted FMR; and what each of them does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from countenance.fairness.record import ALL, CrossRate, Differential, GroupRates, OperatingPoint, Rate, Statement
from countenance.fairness.statistics.differentials import differential, statements
from countenance.fairness.statistics.evidence import Evidence, Group
from countenance.fairness.statistics.intervals import in_batches, subject_weights
from countenance.fairness.statistics.rates import NonMated

# A group with fewer subjects than this is measured and shown, but decides no threshold and is in no differential.
DEFAULT_MIN_SUBJECTS = 30

REPLICATES = 500
# The same data give the same report.
SEED = 20_260_101

Kind = Literal["threshold", "overall", "worst_group"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A threshold that is asked for: as a score, or by the FMR that it shall have."""

    kind: Kind
    value: float
    name: str


@dataclass(frozen=True, slots=True)
class Found:
    """The threshold that was asked for; None where there is none, and why."""

    threshold: float | None
    reason: str | None = None


def find(wanted: Wanted, evidence: Evidence, *, confidence: float, min_subjects: int) -> Found:
    """The threshold for what is wanted; one that lies where counts are known exactly, never lower."""
    if wanted.kind == "threshold":
        return Found(_known(evidence, wanted.value))
    if wanted.kind == "overall":
        return Found(_known(evidence, evidence.everyone.threshold(wanted.value)))
    return worst_group(evidence, wanted.value, confidence=confidence, min_subjects=min_subjects)


def worst_group(evidence: Evidence, target: float, *, confidence: float, min_subjects: int) -> Found:
    """The lowest threshold at which no group's interval for the FMR reaches above `target`; or why there is none."""
    counted = [
        group
        for grouping in evidence.groupings
        if grouping != ALL
        for group in evidence.of(grouping)
        if evidence.non_mated[group, group].subjects >= min_subjects
    ]
    if not counted:
        return Found(None, f"no group has {min_subjects} subjects or more")
    lowest = -math.inf
    for group in counted:
        within = evidence.non_mated[group, group]
        errors = _errors_allowed(within, target, confidence)
        if errors is None:
            rate = within.rate_of(0, confidence, asked=target)
            assert rate.interval is not None
            return Found(
                None,
                f"{group.name} has {within.subjects} subjects: even no false match at all would leave an FMR of "
                f"{rate.interval.high:.2g} possible. It would take about {_subjects_for(rate, target)} subjects",
            )
        lowest = max(lowest, _above(within, errors))
    return Found(_known(evidence, lowest))


def at(
    found: Found, wanted: Wanted, evidence: Evidence, *, confidence: float, min_subjects: int, similarity: float | None
) -> OperatingPoint:
    """All rates and differentials at one threshold."""
    target = None if wanted.kind == "threshold" else wanted.value
    if found.threshold is None:
        return OperatingPoint(name=wanted.name, kind=wanted.kind, target=target, threshold=None, reason=found.reason)
    of_all = evidence.everyone.rate(found.threshold, confidence).rate
    measure = _Measure(evidence, found.threshold, confidence, target or of_all)
    groups = [measure.of(group) for grouping in evidence.groupings for group in evidence.of(grouping)]
    fmrs, fnmrs = _drawn(evidence, found.threshold)
    differentials: list[Differential] = []
    stated: list[Statement] = []
    for grouping in evidence.groupings:
        if grouping == ALL:
            continue
        counted = [group for group in evidence.of(grouping) if _subjects(evidence, group) >= min_subjects]
        rates = [measure.of(group) for group in counted]
        left_out = [group.name for group in evidence.of(grouping) if group not in counted]
        differentials.append(
            differential(
                grouping,
                rates,
                left_out=left_out,
                fmr_draws=_columns(fmrs, counted),
                fnmr_draws=_columns(fnmrs, counted),
                confidence=confidence,
            )
        )
        stated += statements(grouping, rates, confidence)
    return OperatingPoint(
        name=wanted.name,
        kind=wanted.kind,
        target=target,
        threshold=found.threshold,
        similarity=similarity,
        groups=tuple(groups),
        cross=tuple(measure.across()),
        differentials=tuple(differentials),
        statements=tuple(stated),
    )


@dataclass(frozen=True, slots=True)
class _Measure:
    evidence: Evidence
    threshold: float
    confidence: float
    asked: float | None

    def of(self, group: Group) -> GroupRates:
        mated = self.evidence.mated.get(group)
        return GroupRates(
            grouping=group.grouping,
            group=group.name,
            fmr=self._rate(self.evidence.non_mated[group, group]),
            fnmr=None if mated is None else mated.rate(self.threshold, self.confidence),
        )

    def across(self) -> list[CrossRate]:
        return [
            CrossRate(grouping=one.grouping, group=one.name, other=other.name, fmr=self._rate(pair))
            for (one, other), pair in self.evidence.non_mated.items()
            if one.grouping != ALL
        ]

    def _rate(self, pair: NonMated) -> Rate:
        return pair.rate(self.threshold, self.confidence, asked=self.asked)


def _known(evidence: Evidence, threshold: float) -> float:
    """The lowest threshold from this one on at which every pair of groups knows its count."""
    return max(pair.knows(threshold) for pair in evidence.non_mated.values())


def _errors_allowed(within: NonMated, target: float, confidence: float) -> int | None:
    """How many of the highest scores may match so that the interval stays below `target`; None: not even none."""

    def holds(errors: int) -> bool:
        interval = within.rate_of(errors, confidence).interval
        return interval is not None and interval.high <= target

    if not holds(0):
        return None
    low, high = 0, min(int(target * within.comparisons) + 1, within.comparisons)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _above(within: NonMated, errors: int) -> float:
    """The lowest threshold at which at most so many match."""
    return within.threshold(errors / within.comparisons)


def _subjects_for(rate: Rate, target: float) -> int:
    """How many subjects it would take for no false match to show `target`: comparisons grow with their square."""
    assert rate.interval is not None
    return math.ceil(rate.subjects * math.sqrt(rate.interval.high / target))


def _subjects(evidence: Evidence, group: Group) -> int:
    """Subjects of a group; where nobody knows them, the comparisons stand for them."""
    within = evidence.non_mated[group, group]
    return within.comparisons if within.pairing is None else within.subjects


def _drawn(
    evidence: Evidence, threshold: float
) -> tuple[dict[Group, NDArray[np.float64]], dict[Group, NDArray[np.float64]]]:
    """FMR and FNMR of every group in bootstrap replicates that draw subjects, float64 (replicates,) each."""
    fmrs: dict[Group, list[NDArray[np.float64]]] = {}
    fnmrs: dict[Group, list[NDArray[np.float64]]] = {}
    if evidence.population is not None:
        for drawn in in_batches(subject_weights(evidence.population, REPLICATES, SEED)):
            for group in evidence.groups:
                if group.grouping != ALL and (group, group) in evidence.non_mated:
                    fmrs.setdefault(group, []).append(evidence.non_mated[group, group].drawn(threshold, drawn))
                if group.grouping != ALL and group in evidence.mated:
                    fnmrs.setdefault(group, []).append(evidence.mated[group].drawn(threshold, drawn))
    return (
        {group: np.concatenate(parts) for group, parts in fmrs.items()},
        {group: np.concatenate(parts) for group, parts in fnmrs.items()},
    )


def _columns(drawn: dict[Group, NDArray[np.float64]], groups: Sequence[Group]) -> NDArray[np.float64] | None:
    """The replicates of these groups side by side, float64 (replicates, groups); None where one has none."""
    if len(groups) < 2 or any(group not in drawn for group in groups):
        return None
    return np.stack([drawn[group] for group in groups], axis=1)
