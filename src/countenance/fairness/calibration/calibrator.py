"""Makes the calibration of a face model: from photos of known people to what each Similarity means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from countenance import __version__
from countenance.errors import InvalidParameter
from countenance.fairness.calibration.pins import DEFAULT_REPLICATES, Impostors, Threshold, thresholds
from countenance.fairness.comparisons import all_pairs as comparisons
from countenance.fairness.data.datasets import read_data_set
from countenance.fairness.data.enrolment import Enrolment, Progress, enrol, quietly
from countenance.fairness.record import ALL, Rate
from countenance.fairness.statistics.evidence import Evidence, of_templates
from countenance.fairness.statistics.intervals import RULE_OF_30
from countenance.fairness.statistics.rates import Mated
from countenance.settings import InferencePrecision, Settings
from countenance.vision.analysis import Vision
from countenance.vision.calibration import (
    PINNED_FMRS,
    SIMILARITY_OF_FMR,
    CalibrationRecord,
    MeasuredDataSet,
    MeasuredGroup,
    MeasuredMates,
    MeasuredRate,
    Pin,
    Point,
)
from countenance.vision.models.cards import Catalogue

DEFAULT_CONFIDENCE = 0.95

# Fewer people than this say nothing of a group's rare errors: such a group is reported, but pins rest on the others.
MIN_SUBJECTS = 100

# Where the curve is told between "everything matches" and the first pin. Its shape there promises nothing.
COARSE_FMRS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 5e-3, 2e-3)

METHOD = (
    "Non-mated comparisons within each demographic group (ISO/IEC 19795-10), false match rate as in ISO/IEC 19795-1. "
    "Where a group has 30 false matches at a rate its threshold is read off its scores; rarer rates are extrapolated "
    "from its highest 2 % by a generalised Pareto tail, the shape common to all groups (L-moments). Intervals resample "
    "subjects. Each pin is the upper end of the interval that reaches highest among the groups, rounded up."
)


def calibrate(
    settings: Settings,
    data_sets: Sequence[tuple[Path, Path]],
    *,
    command: str,
    progress: Progress = quietly,
) -> CalibrationRecord:
    """Measure `settings.recognizer` on `data_sets`, pairs of a card and the folder of its photos.

    Templates are made in float32 unless the settings ask for another precision by name, so that the outcome does not
    depend on the processor. Raises `InvalidParameter` for data that cannot be read or carry no claim, `Misconfigured`
    for a missing model.
    """
    if settings.inference_precision is InferencePrecision.AUTO:
        settings = settings.model_copy(update={"inference_precision": InferencePrecision.F32})
    sets = [read_data_set(card, photos) for card, photos in data_sets]
    if len({data_set.name for data_set in sets}) != len(sets):
        raise InvalidParameter("Two data sets have one name: give each card its own.")
    vision = Vision(settings)
    enrolments = [enrol(vision, settings, data_set, progress) for data_set in sets]
    card = Catalogue(settings.models).recognizer(vision.face_model_version)
    return measure(
        enrolments,
        face_model_version=vision.face_model_version,
        model_sha256=card.files[0].sha256,
        precision=settings.inference_precision.value,
        command=command,
        workers=settings.workers,
    )


def measure(
    enrolments: Sequence[Enrolment],
    *,
    face_model_version: str,
    model_sha256: str,
    precision: str,
    command: str,
    confidence: float = DEFAULT_CONFIDENCE,
    replicates: int = DEFAULT_REPLICATES,
    workers: int = 1,
) -> CalibrationRecord:
    """The calibration that follows from templates. Raises `InvalidParameter` when no group has enough people."""
    evidence = [of_templates(enrolment, workers=workers) for enrolment in enrolments]
    groups = [
        group for enrolment, found in zip(enrolments, evidence, strict=True) for group in _groups(enrolment, found)
    ]
    counted = [group for group in groups if _counts(group)]
    if not counted:
        raise InvalidParameter(
            f"No demographic group has {MIN_SUBJECTS} people: nothing can be shown about rare false matches."
        )
    by_rate, shape = thresholds(counted, PINNED_FMRS, confidence=confidence, replicates=replicates)
    pins = _pins(by_rate)
    return CalibrationRecord(
        face_model_version=face_model_version,
        model_sha256=model_sha256,
        precision=precision,
        made_by=f"Countenance {__version__}",
        command=command,
        method=METHOD,
        confidence=confidence,
        smallest_observable_fmr=max(RULE_OF_30 / group.found.comparisons for group in counted),
        tail_shape=shape,
        data_sets=tuple(_measured(enrolment) for enrolment in enrolments),
        pins=pins,
        curve=_curve(counted, pins),
        groups=tuple(_reported(group, pins, confidence) for group in groups),
        mates=tuple(_mated(enrolments, evidence, pins, confidence)),
    )


def _counts(group: Impostors) -> bool:
    return not group.outside and group.found.subjects >= MIN_SUBJECTS


def _groups(enrolment: Enrolment, evidence: Evidence) -> Iterator[Impostors]:
    """Every group of a data set that has at least two people, in alphabetical order."""
    outside = {group for image in enrolment.images if image.outside for group in image.groups}
    for group in sorted(evidence.groups, key=lambda group: group.name):
        if group.grouping != ALL and (group, group) in evidence.non_mated:
            yield Impostors(enrolment.data_set.name, group.name in outside, evidence.non_mated[group, group])


def _pins(by_rate: Sequence[Sequence[Threshold]]) -> tuple[Pin, ...]:
    pins = []
    for candidates in by_rate:
        worst = max(candidates, key=lambda threshold: threshold.interval.high)
        pins.append(
            Pin(
                similarity=SIMILARITY_OF_FMR[worst.fmr],
                fmr=worst.fmr,
                cosine=comparisons.round_up(worst.interval.high),
                estimate=worst.estimate,
                interval=worst.interval,
                worst_group=f"{worst.group.data_set}: {worst.group.found.group}",
                evidence="observed" if worst.observed else "extrapolated",
            )
        )
    for frequent, rare in pairwise(pins):
        if frequent.cosine >= rare.cosine or rare.cosine >= 1:
            raise InvalidParameter(
                f"A false match rate of {rare.fmr:g} has no threshold of its own in {rare.worst_group}: "
                "the data set is too small, or images of one person pass for several people's."
            )
    return tuple(pins)


def _curve(groups: Sequence[Impostors], pins: Sequence[Pin]) -> tuple[Point, ...]:
    points = [Point(cosine=-1, fmr=1)]
    for fmr in COARSE_FMRS:
        cosine = comparisons.round_up(max(group.found.threshold(fmr) for group in groups))
        if points[-1].cosine < cosine < pins[0].cosine:
            points.append(Point(cosine=cosine, fmr=fmr))
    return (*points, *(Point(cosine=pin.cosine, fmr=pin.fmr) for pin in pins))


def _measured(enrolment: Enrolment) -> MeasuredDataSet:
    data_set = enrolment.data_set
    return MeasuredDataSet(
        card=data_set.description.card,
        images=len(data_set.images),
        subjects=data_set.subjects,
        failures_to_enrol=len(enrolment.failures or ()),
        groupings=data_set.description.manifest.groupings,
        corrections=data_set.corrections,
        corrections_sha256=data_set.corrections_sha256,
        digest=enrolment.digest,
    )


def _reported(group: Impostors, pins: Sequence[Pin], confidence: float) -> MeasuredGroup:
    found = group.found
    return MeasuredGroup(
        data_set=group.data_set,
        group=found.group,
        subjects=found.subjects,
        comparisons=found.comparisons,
        counts_for_pins=_counts(group),
        outside=group.outside,
        smallest_observable_fmr=min(1.0, RULE_OF_30 / found.comparisons),
        fmr_at_pins=tuple(_measured_rate(found.rate(pin.cosine, confidence)) for pin in pins),
    )


def _mated(
    enrolments: Sequence[Enrolment], evidence: Sequence[Evidence], pins: Sequence[Pin], confidence: float
) -> Iterator[MeasuredMates]:
    for enrolment, found in zip(enrolments, evidence, strict=True):
        pairs: Mated | None = found.mated.get(found.groups[0])
        if pairs is not None:
            yield MeasuredMates(
                data_set=enrolment.data_set.name,
                subjects=len(set(pairs.subjects.tolist())),
                comparisons=len(pairs.scores),
                fnmr_at_pins=tuple(_measured_rate(pairs.rate(pin.cosine, confidence)) for pin in pins),
            )


def _measured_rate(rate: Rate) -> MeasuredRate:
    assert rate.interval is not None
    return MeasuredRate(errors=rate.errors, rate=rate.rate or 0.0, interval=rate.interval)
