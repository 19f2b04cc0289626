"""Records of audits of invented people, with everything that a record may have."""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import numpy as np
from scipy.stats import norm

from countenance.fairness.record import (
    ALL,
    EVERYONE,
    AgeGap,
    AuditedDataSet,
    AuditRecord,
    CrossRate,
    Curve,
    CurvePoint,
    Distribution,
    Doubts,
    Engine,
    GroupRates,
    Identification,
    IdentificationRates,
    OperatingPoint,
    Population,
    Rate,
)
from countenance.fairness.statistics.differentials import differential, statements
from countenance.fairness.statistics.intervals import RULE_OF_30, wilson
from countenance.vision.calibration import DataSetCard

CONFIDENCE = 0.95
RACES = ("Black", "East Asian", "Indian", "Latino_Hispanic", "Middle Eastern", "Southeast Asian", "White")
GENDERS = ("Female", "Male")
THRESHOLDS = (0.30, 0.363, 0.45)


def rate(errors: int, comparisons: int, subjects: int = 200) -> Rate:
    """A rate as if every comparison were of people of its own."""
    return Rate(
        errors=errors,
        comparisons=comparisons,
        subjects=subjects,
        rate=errors / comparisons if errors else None,
        interval=wilson(errors, comparisons, CONFIDENCE),
        shown=errors >= RULE_OF_30,
        needs_subjects=None if errors >= RULE_OF_30 else 4 * subjects,
    )


def record(
    groups: dict[str, tuple[str, ...]] | None = None, thresholds: tuple[float, ...] = THRESHOLDS, **changes: object
) -> AuditRecord:
    """An audit of groups by grouping: of one's own, or of 7 races by 2 genders."""
    groups = groups or {
        "gender": tuple(f"gender={gender}" for gender in GENDERS),
        "gender, race": tuple(f"gender={gender}, race={race}" for gender, race in product(GENDERS, RACES)),
    }
    everyone = {ALL: (EVERYONE,), **groups}
    whole = AuditRecord(
        made_by="Countenance 0.1.0",
        made_on="2020-06-10",
        command="countenance fairness audit card.toml photos --by gender,race",
        versions={"numpy": "2.0.0", "openvino": "2025.2"},
        engine=Engine(
            kind="recognizer",
            name="sface",
            face_model_version="sface-2021dec.1",
            files=("a" * 64, "b" * 64),
            calibration="c" * 64,
            precision="f32",
        ),
        data_set=AuditedDataSet(
            card=DataSetCard(
                name="Invented people", source="https://example.org/people", licence="CC-BY-4.0", labels="observed"
            ),
            subjects=2800,
            images=5600,
            groupings=tuple(groups),
            digest="d" * 64,
            doubts=Doubts(duplicates=1, mated_that_look_non_mated=2, non_mated_that_look_mated=3),
        ),
        confidence=CONFIDENCE,
        answer=(
            "At Similarity 99 one comparison of two Black women in 4,200 matched, of two White men one in 61,000.",
            "That is 14 times as many; chance does not explain it.",
            "Nothing can be said of Middle Eastern women: there were 40 of them, and it would take 900.",
        ),
        limits=("Labels were made by onlookers.",),
        populations=tuple(_population(grouping, group, n) for grouping, n, group in _numbered(everyone)),
        points=(*(_point(everyone, threshold) for threshold in thresholds), _none()),
        identification=tuple(_search(everyone, size) for size in (100, 1000, 10_000)),
        ageing=tuple(_gap(years) for years in (0, 2, 5, 10)),
        curves=tuple(_curve(grouping, group, n) for grouping, n, group in _numbered(everyone)),
        distributions=tuple(
            _distribution(grouping, group, n, mated)
            for grouping, n, group in _numbered(everyone)
            for mated in (False, True)
        ),
    )
    return whole.model_copy(update=changes)


def _numbered(groups: dict[str, tuple[str, ...]]) -> list[tuple[str, int, str]]:
    return [(grouping, number, group) for grouping, names in groups.items() for number, group in enumerate(names)]


def _mean(number: int) -> float:
    """Of the non-mated scores of a group."""
    return 0.12 - 0.012 * (number % 9)


def _fmr(number: int, threshold: float) -> float:
    return float(norm.sf(threshold, _mean(number), 0.1))


def _fnmr(number: int, threshold: float) -> float:
    return float(norm.cdf(threshold, 0.65 - 0.01 * (number % 5), 0.12))


def _rates(grouping: str, group: str, number: int, threshold: float) -> GroupRates:
    comparisons = 4_000_000 if grouping == ALL else 4000 + 60_000 * (number % 4)
    mated = 400 if grouping == ALL else 60 + 30 * (number % 3)
    return GroupRates(
        grouping=grouping,
        group=group,
        fmr=rate(round(_fmr(number, threshold) * comparisons), comparisons),
        fnmr=rate(round(_fnmr(number, threshold) * mated), mated),
    )


def _point(groups: dict[str, tuple[str, ...]], threshold: float) -> OperatingPoint:
    found = {
        grouping: [_rates(grouping, group, n, threshold) for n, group in enumerate(names)]
        for grouping, names in groups.items()
    }
    cross = [
        CrossRate(
            grouping=grouping,
            group=names[one],
            other=names[other],
            fmr=rate(round(_fmr(one, threshold) * 60_000 / (1 if one == other else 5)), 60_000),
        )
        for grouping, names in groups.items()
        if grouping
        for one, other in combinations_with_replacement(range(len(names)), 2)
    ]
    parts = [(grouping, rates) for grouping, rates in found.items() if grouping]
    return OperatingPoint(
        name=f"threshold {threshold:g}",
        kind="threshold",
        threshold=threshold,
        similarity=99.0 if threshold == THRESHOLDS[-1] else None,
        groups=tuple(one for rates in found.values() for one in rates),
        cross=tuple(cross),
        differentials=tuple(differential(grouping, rates, confidence=CONFIDENCE) for grouping, rates in parts),
        statements=tuple(one for grouping, rates in parts for one in statements(grouping, rates, CONFIDENCE)),
    )


def _none() -> OperatingPoint:
    return OperatingPoint(
        name="worst group FMR 1e-06",
        kind="worst_group",
        target=1e-6,
        threshold=None,
        reason="gender=Female, race=Black has too few people to show it.",
    )


def _population(grouping: str, group: str, number: int) -> Population:
    return Population(
        grouping=grouping,
        group=group,
        subjects=200,
        images=400,
        subjects_with_mates=150,
        mated_comparisons=210,
        non_mated_comparisons=60_000,
        failures=rate(number % 5, 400),
    )


def _search(groups: dict[str, tuple[str, ...]], size: int) -> Identification:
    threshold = THRESHOLDS[-1]
    return Identification(
        size=size,
        rank=1,
        point=f"threshold {threshold:g}",
        threshold=threshold,
        groups=tuple(
            IdentificationRates(
                grouping=grouping,
                group=group,
                fpir=rate(round(400 * (1 - (1 - _fmr(n, threshold)) ** size)), 400),
                fnir=rate(round(90 * _fnmr(n, threshold)), 90),
            )
            for grouping, n, group in _numbered(groups)
        ),
    )


def _gap(years: int) -> AgeGap:
    return AgeGap(
        from_years=years,
        to_years=years + 2 + years // 2,
        mean_score=0.65 - years / 100,
        fnmr={f"threshold {threshold:g}": rate(round(years * 80 * threshold**2), 300) for threshold in THRESHOLDS},
    )


def _curve(grouping: str, group: str, number: int) -> Curve:
    points = []
    for threshold in np.linspace(0, 0.8, 60):
        fmr, fnmr = _fmr(number, threshold), _fnmr(number, threshold)
        points.append(
            CurvePoint(threshold=threshold, fmr=fmr if fmr > 1e-5 else None, fnmr=fnmr if fnmr > 1e-3 else None)
        )
    return Curve(grouping=grouping, group=group, points=tuple(points))


def _distribution(grouping: str, group: str, number: int, mated: bool) -> Distribution:
    center, width, total = (0.65, 0.12, 300) if mated else (_mean(number), 0.1, 60_000)
    shares = np.diff(norm.cdf(np.linspace(-1, 1, 401), center, width))
    return Distribution(
        grouping=grouping,
        group=group,
        mated=mated,
        low=-1,
        high=1,
        counts=tuple(int(n) for n in np.round(shares * total)),
    )
