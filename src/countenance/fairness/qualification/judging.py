"""Whether a face model may serve a purpose at a threshold, judged by the report of an audit; if not, why.

A model passes when the report shows that it does: what was not measured, or not on enough people, is a reason to refuse
it and never one to pass it. The groups of every grouping of the report are judged, each within itself (same-group
non-mated comparisons). A group of fewer people than `min_subjects` does not count, and is named; it can only speak
against the model, where its interval lies above what is allowed as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Context

from countenance.errors import InvalidParameter
from countenance.fairness.record import ALL, AuditRecord, GroupRates, OperatingPoint
from countenance.ledger.entries import Model
from countenance.policy.vocabulary import Purpose
from countenance.policy.words import enumeration

# Of a group's name, so many characters are told.
MAX_NAME = 120


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a purpose asks of a face model; `why` says so in a sentence for each.

    `max_fmr`: up to where the interval of the false match rate of any group may reach, at the threshold.
    `max_differential`: the highest group's false match rate by the geometric mean of all (NIST IR 8429).
    `min_subjects`: people in a group that counts. `min_confidence`: of the report's intervals. `max_days`: age of the
    report, and how long a qualification lasts.
    """

    max_fmr: float
    max_differential: float
    min_subjects: int
    min_confidence: float
    max_days: int
    why: tuple[str, ...]


_WRONGLY_ACCUSED = Requirement(
    max_fmr=1e-4,
    max_differential=3.0,
    min_subjects=100,
    min_confidence=0.95,
    max_days=365,
    why=(
        "A false match can lead to an arrest. At a false match rate of 1e-4, a search among 10,000 people who are "
        "not the one in the photo brings up one of them on average; the interval must hold it, not the estimate.",
        "Among the algorithms that NIST tested, groups' rates differ tenfold to a hundredfold (NIST IR 8280). Even "
        "ones stay near 1.4 times the geometric mean (NIST IR 8429); three times is about a ninefold difference.",
        "Comparisons share people: fewer than 100 say nothing about a rate of 1e-4, however many they make.",
        "Models, pipelines and the people they are used on change; RCW 43.386 and the EU AI Act ask for tests again.",
    ),
)

# By purpose. The others ask for nothing.
REQUIREMENTS: Mapping[Purpose, Requirement] = {
    Purpose.CRIMINAL_INVESTIGATION: _WRONGLY_ACCUSED,
    Purpose.THREAT_TO_LIFE: _WRONGLY_ACCUSED,
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a model does not pass, in a sentence. `waivable`: it was measured, on this model, and somebody may answer
    for it; that nothing was measured is nobody's to waive."""

    text: str
    waivable: bool = True


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a report says of a model. `groups` are those that count, `not_shown` those with too few people.

    `notes` say how it was judged where that is not as usual.
    """

    purpose: Purpose
    similarity: float
    reasons: tuple[Reason, ...]
    groupings: tuple[str, ...]
    groups: tuple[str, ...]
    not_shown: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the model may serve the purpose."""
        return not self.reasons

    @property
    def waivable(self) -> bool:
        """Whether all that it did not pass by can be waived."""
        return bool(self.reasons) and all(reason.waivable for reason in self.reasons)


def requirement(purpose: Purpose) -> Requirement:
    """What a purpose asks for. Raises InvalidParameter for one that asks for nothing."""
    try:
        return REQUIREMENTS[purpose]
    except KeyError:
        known = enumeration([str(known) for known in REQUIREMENTS])
        raise InvalidParameter(f"No qualification is asked for {purpose}: only {known} need one.") from None


def judge(record: AuditRecord, model: Model, purpose: Purpose, similarity: float, today: date) -> Judgement:
    """Hold a report against what a purpose requires of `model` when this Similarity (0 to 100) is the threshold.

    Raises InvalidParameter for a purpose that requires nothing, and where the report has no operating point there.
    """
    asked = requirement(purpose)
    point = _point_at(record, similarity)
    reasons = [Reason(text, waivable=False) for text in _other_model(record, model)]
    reasons += [Reason(text, waivable=False) for text in _out_of_time(record, asked, today)]
    if record.confidence < asked.min_confidence:
        told = f"The report's intervals hold at {record.confidence:.0%}, and {asked.min_confidence:.0%} is required."
        reasons.append(Reason(told, waivable=False))
    groups = [rates for rates in point.groups if rates.grouping != ALL]
    counted = [rates for rates in groups if rates.fmr.subjects >= asked.min_subjects]
    notes: list[str] = []
    if any(len(of) > 1 for of in _by_grouping(counted).values()):
        found = [*_rates(groups, asked), *_differentials(record, point, counted, asked, notes)]
        reasons += [Reason(text) for text in _sentences(found)]
    else:
        told = f"The report has no grouping with at least two groups of {asked.min_subjects} people or more."
        reasons.append(Reason(told, waivable=False))
    return Judgement(
        purpose=purpose,
        similarity=similarity,
        reasons=tuple(reasons),
        groupings=tuple(_by_grouping(groups)),
        groups=tuple(rates.group for rates in counted),
        not_shown=tuple(_too_small(record, counted)),
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Excess:
    """By how much a group, or a grouping, is not as it must be."""

    group: str
    times: float
    told: str


def _point_at(record: AuditRecord, similarity: float) -> OperatingPoint:
    points = [point for point in record.points if point.threshold is not None and point.similarity is not None]
    for point in points:
        if math.isclose(point.similarity or 0.0, similarity, abs_tol=1e-4):
            return point
    known = enumeration([f"{at:g}" for at in sorted({point.similarity or 0.0 for point in points})])
    raise InvalidParameter(
        f"The report says nothing about Similarity {similarity:g}: audit again with --similarity {similarity:g}. "
        f"It has {known or 'no Similarity at all'}."
    )


def _other_model(record: AuditRecord, model: Model) -> Iterator[str]:
    engine = record.engine
    if engine.kind != "recognizer" or not engine.files:
        yield f"The report is about {engine.name} ({engine.kind}): it does not say by which model files."
    elif engine.face_model_version != model.face_model_version:
        yield f"The report is about face model {engine.face_model_version}, not {model.face_model_version}."
    elif tuple(engine.files) != tuple(model.files):
        yield f"The report is about other files of face model {model.face_model_version} than this server's."
    elif engine.calibration != model.calibration:
        yield f"The report was made with another calibration of face model {model.face_model_version}."


def _out_of_time(record: AuditRecord, asked: Requirement, today: date) -> Iterator[str]:
    try:
        made = date.fromisoformat(record.made_on)
    except ValueError as error:
        raise InvalidParameter(f"The report bears a date that there is none of, {record.made_on}.") from error
    # Somebody's day may have begun before the server's.
    if made > today + timedelta(days=1):
        yield f"The report bears a date that has not come yet, {record.made_on}."
    elif today - made > timedelta(days=asked.max_days):
        yield f"The report is of {record.made_on}, and counts for {asked.max_days} days."


def _rates(groups: Sequence[GroupRates], asked: Requirement) -> Iterator[_Excess]:
    """Groups whose false match rate is too high, or is not shown to be low enough."""
    for one in groups:
        fmr = one.fmr
        few = fmr.subjects < asked.min_subjects
        if fmr.interval is None:
            if not few:
                yield _Excess(one.group, math.inf, "cannot be shown: nobody in it was compared with anybody else")
            continue
        seen = fmr.interval.low if few else fmr.interval.high
        if seen <= asked.max_fmr:
            continue
        times = seen / asked.max_fmr
        # What is above by a little must not read as if it were not.
        bound = _rounded(seen, ROUND_FLOOR if few else ROUND_CEILING)
        allowed = f"{_times(bound / asked.max_fmr)} times the {_rate(asked.max_fmr)} allowed"
        if few:
            told = (
                f"at least {_rate(bound)} by its interval though there are only {fmr.subjects} people in it, {allowed}"
            )
        else:
            told = f"at most {_rate(bound)} by its interval, {allowed}"
        if fmr.rate is None:
            compared = f"no false match in {fmr.comparisons:,} comparisons of {fmr.subjects:,} people"
            needed = f"; it takes about {fmr.needs_subjects:,} people" if fmr.needs_subjects else ""
            yield _Excess(one.group, times, f"cannot be shown: {compared} is {told}{needed}")
        else:
            yield _Excess(one.group, times, f"FMR {_rate(fmr.rate)}, {told}")


def _differentials(
    record: AuditRecord, point: OperatingPoint, counted: Sequence[GroupRates], asked: Requirement, notes: list[str]
) -> Iterator[_Excess]:
    """Groups that are matched wrongly far more often than the others of their grouping.

    Where the threshold lets too few false matches through to compare groups, they are compared at the highest operating
    point below it at which the rate of each is shown (rule of 30).
    """
    for grouping, of in _by_grouping(counted).items():
        if len(of) < 2:
            continue
        names = {one.group for one in of}
        shown = [
            (below, rates)
            for below in record.points
            if below.threshold is not None and below.threshold <= (point.threshold or 0.0)
            if (rates := _shown(below, grouping, names)).keys() == names
        ]
        if not shown:
            told = (
                "the differential between its groups cannot be shown: at no threshold of the report are there enough "
                "false matches in each of them; audit at lower ones too"
            )
            yield _Excess(grouping, math.inf, told)
            continue
        where, rates = max(shown, key=lambda one: one[0].threshold or 0.0)
        at = "" if where is point else f" at {where.name}"
        if at:
            notes.append(f"The groups of {grouping} are compared{at}, where there are enough false matches in each.")
        mean = math.exp(sum(map(math.log, rates.values())) / len(rates))
        for group, rate in rates.items():
            if rate > asked.max_differential * mean:
                much = f"{_times(rate / mean)} times the geometric mean of the {len(rates)} groups of {grouping}"
                allowed = f"where {asked.max_differential:g} times is allowed"
                yield _Excess(group, rate / mean, f"FMR {_rate(rate)}{at}, {much}, {allowed}")


def _sentences(found: Sequence[_Excess]) -> list[str]:
    """All that was found about each group in one sentence, the worst group first."""
    by_group: dict[str, list[_Excess]] = {}
    for one in found:
        by_group.setdefault(one.group, []).append(one)
    worst_first = sorted(by_group.items(), key=lambda item: -max(one.times for one in item[1]))
    return [f"{_named(group)}: {'; '.join(one.told for one in of)}." for group, of in worst_first]


def _shown(point: OperatingPoint, grouping: str, names: set[str]) -> dict[str, float]:
    """The false match rates at a point of those of these groups whose rate is shown there."""
    return {
        one.group: one.fmr.rate
        for one in point.groups
        if one.grouping == grouping and one.group in names and one.fmr.shown and one.fmr.rate
    }


def _too_small(record: AuditRecord, counted: Sequence[GroupRates]) -> Iterator[str]:
    known = {(one.grouping, one.group) for one in counted}
    for population in record.populations:
        if population.grouping != ALL and (population.grouping, population.group) not in known:
            yield population.group


def _by_grouping(groups: Sequence[GroupRates]) -> dict[str, list[GroupRates]]:
    found: dict[str, list[GroupRates]] = {}
    for one in groups:
        found.setdefault(one.grouping, []).append(one)
    return found


def _named(group: str) -> str:
    """A group's name, or the beginning of one that would leave no room for what is said of it."""
    return group if len(group) <= MAX_NAME else f"{group[: MAX_NAME - 1]}…"


def _rate(rate: float) -> str:
    """With two digits, as 1e-4 is written."""
    if rate >= 0.01:
        return f"{rate:.2g}"
    mantissa, exponent = f"{rate:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def _rounded(value: float, rounding: str) -> float:
    """With two digits; what differs by less than floats do is the same."""
    return float(Context(prec=2, rounding=rounding).create_decimal(f"{value:.9g}"))


def _times(factor: float) -> str:
    return f"{factor:,.0f}" if factor >= 10 else f"{factor:.2g}"
