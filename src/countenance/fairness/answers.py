"""What an audit says in sentences: the answer, and the limits of the data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from countenance.fairness.numbers import one_in, times
from countenance.fairness.record import (
    ALL,
    EVERYONE,
    AuditedDataSet,
    Differential,
    Engine,
    GroupRates,
    OperatingPoint,
    Population,
    Rate,
)
from countenance.vision.calibration import DataSetCard

# Groups that are named in one sentence; of more, the number is told.
NAMED = 4


def answer(points: Sequence[OperatingPoint]) -> tuple[str, str, str]:
    """Three sentences: who is mistaken for others most often, which differences are real, what cannot be shown.

    They speak of the first threshold that exists.
    """
    point = next((point for point in points if point.threshold is not None), None)
    if point is None:
        nothing = "No threshold that was asked for exists in these data."
        return nothing, "Nothing can be said of differences.", "; ".join(p.reason or "" for p in points) + "."
    return _worst(point), _differences(point), _unshown(point)


def limits(
    engine: Engine,
    data_set: AuditedDataSet,
    populations: Sequence[Population],
    points: Sequence[OperatingPoint],
    *,
    min_subjects: int,
    subjects_known: bool,
) -> tuple[str, ...]:
    """What the data cannot tell, one sentence each."""
    return tuple(_limits(engine, data_set, populations, points, min_subjects, subjects_known=subjects_known))


def told(rate: Rate) -> str:
    """A rate in words that claim no more than was seen."""
    if rate.interval is None:
        return "not measured"
    if rate.rate is None:
        return f"not seen in {rate.comparisons:,} comparisons, which leaves up to {one_in(rate.interval.high)} possible"
    low = "fewer" if rate.interval.low <= 0 else one_in(rate.interval.low)
    return f"{one_in(rate.rate)} [{low} to {one_in(rate.interval.high)}]"


def _worst(point: OperatingPoint) -> str:
    everyone = point.of(ALL, EVERYONE)
    whole = f"At {point.name}, false matches of two different people are {told(everyone.fmr)}"
    groups = [rates for rates in point.groups if rates.grouping != ALL and rates.fmr.rate is not None]
    if not groups:
        return f"{whole}{_most_missed(point, ())}."
    counted = [rates for rates in groups if rates.group not in _left_out(point)] or groups
    worst = max(counted, key=lambda rates: rates.fmr.rate or 0.0)
    often = "" if everyone.fmr.rate is None else f", {times((worst.fmr.rate or 0) / everyone.fmr.rate)} times as often"
    return f"{whole}; most often within {worst.group}: {told(worst.fmr)}{often}{_most_missed(point, counted)}."


def _most_missed(point: OperatingPoint, groups: Iterable[GroupRates]) -> str:
    everyone = point.of(ALL, EVERYONE).fnmr
    if everyone is None:
        return ""
    whole = f"; false non-matches of one person are {told(everyone)}"
    missed = [rates for rates in groups if rates.fnmr is not None and rates.fnmr.rate is not None]
    if not missed:
        return whole
    worst = max(missed, key=lambda rates: rates.fnmr.rate if rates.fnmr and rates.fnmr.rate else 0.0)
    assert worst.fnmr is not None
    return f"{whole}, most often in {worst.group}: {told(worst.fnmr)}"


def _differences(point: OperatingPoint) -> str:
    if not point.statements:
        return (
            "No difference between two groups can be told from chance at this threshold, which does not show that "
            "there is none."
        )
    largest = max(point.statements, key=lambda statement: statement.ratio)
    pairs = len(point.statements)
    others = (
        "" if pairs == 1 else f"; it is the largest of {pairs} differences between groups that chance does not explain"
    )
    return f"{largest.text}{others}."


def _unshown(point: OperatingPoint) -> str:
    if all(rates.grouping == ALL for rates in point.groups):
        return "What cannot be shown: the data name no groups, so that nothing is said of differences between any."
    unseen = [rates.group for rates in point.groups if rates.grouping != ALL and rates.fmr.rate is None]
    vague = [
        rates.group
        for rates in point.groups
        if rates.grouping != ALL and rates.fmr.rate is not None and not rates.fmr.shown
    ]
    if not unseen and not vague:
        return "Nothing is left open: every group's false match rate is known to within about 30 %."
    parts = []
    if unseen:
        parts.append(f"a false match rate cannot be shown for {_named(unseen)}, where no false match was seen")
    if vague:
        parts.append(f"the false match rate of {_named(vague)} is known only within its interval")
    return f"What cannot be shown: {'; '.join(parts)}."


def _limits(
    engine: Engine,
    data_set: AuditedDataSet,
    populations: Sequence[Population],
    points: Sequence[OperatingPoint],
    min_subjects: int,
    *,
    subjects_known: bool,
) -> Iterable[str]:
    yield _labels(data_set.card)
    if engine.kind == "endpoint":
        yield engine.notes
    if not subjects_known:
        yield (
            "The table does not say who the subjects are: intervals take comparisons for independent, and are far too "
            "narrow where they share subjects."
        )
    if not any(population.mated_comparisons for population in populations):
        yield "The data have no mated comparisons: nothing is said about false non-matches."
    for point in points:
        if point.threshold is None:
            yield f"There is no threshold {point.name!r}: {point.reason}."
    small = sorted({group for point in points for found in point.differentials for group in found.left_out})
    if small:
        yield (
            f"{_named(small)}: fewer than {min_subjects} subjects. They are shown, but decide no threshold and are in "
            "no differential."
        )
    needs = [
        rates
        for point in points
        for rates in point.groups
        if rates.fmr.rate is None and rates.fmr.needs_subjects is not None and rates.group not in small
    ]
    if needs:
        most = max(needs, key=lambda rates: rates.fmr.needs_subjects or 0)
        yield (
            f"To see enough false matches in every group, it would take up to {most.fmr.needs_subjects:,} subjects "
            f"({most.group})."
        )
    if data_set.doubts and any(data_set.doubts.model_dump().values()):
        doubts = data_set.doubts
        yield (
            f"Looked wrong and was measured as it is: {doubts.duplicates} pairs of one picture under two names, "
            f"{doubts.mated_that_look_non_mated} mated pairs that look non-mated, "
            f"{doubts.non_mated_that_look_mated} non-mated pairs that look mated."
        )
    yield (
        "Groups that the data do not name were not measured. Rates of other photos, cameras and people will differ; "
        "relatives and twins are not strangers."
    )


def _labels(card: DataSetCard) -> str:
    made = {
        "self-reported": "people stated their groups themselves",
        "observed": "onlookers judged appearance",
        "inferred": "software guessed the groups, with errors of its own",
        "none": "the card does not say how groups were told",
    }
    return f"Groups are as {card.name} labels them: {made[card.labels]}."


def _left_out(point: OperatingPoint) -> set[str]:
    found: Sequence[Differential] = point.differentials
    return {group for differential in found for group in differential.left_out}


def _named(groups: Sequence[str]) -> str:
    """Groups by name, where they are few."""
    names = list(dict.fromkeys(groups))
    if len(names) <= NAMED:
        return "; ".join(names)
    return f"{'; '.join(names[: NAMED - 1])} and {len(names) - NAMED + 1} other groups"
