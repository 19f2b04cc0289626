"""Reports of audits whose numbers are known: what a face model would come to, group by group."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from countenance.fairness.record import (
    ALL,
    EVERYONE,
    AuditedDataSet,
    AuditRecord,
    Engine,
    GroupRates,
    OperatingPoint,
    Population,
    Rate,
)
from countenance.ledger.entries import Model
from countenance.vision.calibration import DataSetCard, Interval

GROUPING = "gender, race"
GROUPS = tuple(f"gender={gender}, race={race}" for gender in ("Female", "Male") for race in ("Black", "White"))
BLACK_WOMEN = GROUPS[0]

# False match rate of every group by Similarity.
FMRS = {80.0: 1e-3, 90.0: 1e-4, 99.0: 1e-6}

SUBJECTS = 1000
COMPARISONS = 20_000_000
MADE_ON = date(2026, 11, 20)


def audit(
    model: Model,
    *,
    times: Mapping[str, float] | None = None,
    subjects: Mapping[str, int] | None = None,
    groups: tuple[str, ...] = GROUPS,
    fmrs: Mapping[float, float] = FMRS,
    **others: Any,
) -> AuditRecord:
    """A report on `model`, in which groups are matched wrongly so many `times` as often as the others.

    `fmrs` are the rates of those by Similarity; `others` are members of the record in place of the usual ones.
    """
    people = {group: (subjects or {}).get(group, SUBJECTS) for group in groups}
    usual: dict[str, Any] = {
        "made_by": "countenance 0.3.0",
        "made_on": MADE_ON.isoformat(),
        "command": "countenance fairness audit faces.toml faces --out report",
        "versions": {"numpy": "2.3.0"},
        "engine": Engine(
            kind="recognizer",
            name="sface",
            face_model_version=model.face_model_version,
            files=model.files,
            calibration=model.calibration,
            precision="bf16",
        ),
        "data_set": AuditedDataSet(
            card=DataSetCard(name="Faces", source="Made up for tests.", licence="none", labels="self-reported"),
            subjects=sum(people.values()),
            images=4 * sum(people.values()),
            groupings=(GROUPING,),
            digest="0" * 64,
        ),
        "confidence": 0.95,
        "answer": ("What a report says first.",),
        "limits": ("People of four groups only.",),
        "populations": tuple(
            Population(
                grouping=grouping,
                group=group,
                subjects=number,
                images=4 * number,
                subjects_with_mates=number,
                mated_comparisons=6 * number,
                non_mated_comparisons=COMPARISONS,
                failures=None,
            )
            for grouping, group, number in [
                (ALL, EVERYONE, sum(people.values())),
                *((GROUPING, group, number) for group, number in people.items()),
            ]
        ),
        "points": tuple(_point(similarity, fmr, people, times or {}) for similarity, fmr in fmrs.items()),
    }
    return AuditRecord(**{**usual, **others})


def _point(similarity: float, fmr: float, people: Mapping[str, int], times: Mapping[str, float]) -> OperatingPoint:
    rates = {group: min(1.0, fmr * times.get(group, 1.0)) for group in people}
    return OperatingPoint(
        name=f"Similarity {similarity:g}",
        kind="threshold",
        threshold=similarity / 200,
        similarity=similarity,
        groups=(
            GroupRates(grouping=ALL, group=EVERYONE, fmr=rate(fmr, sum(people.values())), fnmr=None),
            *(
                GroupRates(grouping=GROUPING, group=group, fmr=rate(own, people[group]), fnmr=None)
                for group, own in rates.items()
            ),
        ),
    )


def rate(fmr: float, subjects: int, comparisons: int = COMPARISONS) -> Rate:
    """A false match rate as a report has it, with an interval a quarter wide."""
    errors = round(fmr * comparisons)
    return Rate(
        errors=errors,
        comparisons=comparisons,
        subjects=subjects,
        rate=errors / comparisons if errors else None,
        interval=Interval(low=0.8 * fmr, high=1.25 * fmr) if errors else Interval(low=0.0, high=3 / comparisons),
        shown=errors >= 30,
        needs_subjects=None if errors >= 30 else 2 * subjects,
    )
