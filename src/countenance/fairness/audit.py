"""The audit: from comparisons to the record of what they show."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from countenance import __version__
from countenance.errors import InvalidParameter
from countenance.fairness import answers
from countenance.fairness.data.datasets import DataSet, Image
from countenance.fairness.data.enrolment import Enrolment
from countenance.fairness.data.scores import ScoreTable
from countenance.fairness.record import (
    ALL,
    EVERYONE,
    AgeGap,
    AuditedDataSet,
    AuditRecord,
    Curve,
    CurvePoint,
    Distribution,
    Doubts,
    Engine,
    OperatingPoint,
    Population,
    Rate,
)
from countenance.fairness.statistics.evidence import Evidence, Group, groupings_of
from countenance.fairness.statistics.identification import identify
from countenance.fairness.statistics.points import DEFAULT_MIN_SUBJECTS, Wanted, at, find
from countenance.fairness.statistics.rates import Histogram, Mated, NonMated, clustered
from countenance.vision.calibration import Calibration

DEFAULT_CONFIDENCE = 0.95

# Libraries that the figures depend on.
LIBRARIES = ("numpy", "scipy", "opencv-python-headless", "openvino", "pillow")

# Points of a DET curve: so many false match rates, and so many thresholds beyond the last false match.
CURVE_FMRS = 60
CURVE_BEYOND = 15
DISTRIBUTION_BINS = 128

# Years between two photos, as bands: from each to the next.
AGE_GAPS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, float("inf"))


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the data: thresholds as Similarity (0 to 100) or as scores, and wanted false match rates.

    `overall` are those of all comparisons, `worst_group` those that no group's interval shall reach above. Groups with
    fewer subjects than `min_subjects` are shown, and decide nothing.
    """

    similarities: Sequence[float] = ()
    scores: Sequence[float] = ()
    overall: Sequence[float] = ()
    worst_group: Sequence[float] = ()
    confidence: float = DEFAULT_CONFIDENCE
    min_subjects: int = DEFAULT_MIN_SUBJECTS

    def __post_init__(self) -> None:
        """Raises `InvalidParameter` for what is no threshold or no rate."""
        for value in (*self.similarities, *self.scores):
            if not math.isfinite(value):
                raise InvalidParameter(f"A threshold is a number, which {value} is not.")
        for rate in (*self.overall, *self.worst_group):
            if not 0 < rate < 1:
                raise InvalidParameter(f"A false match rate of {rate:g} cannot be asked for: give one between 0 and 1.")

    def wanted(self, calibration: Calibration | None, *, scores_are_similarities: bool) -> Iterator[Wanted]:
        """As thresholds. Raises `InvalidParameter` for Similarities of an engine that has none."""
        for similarity in self.similarities:
            if calibration is None and not scores_are_similarities:
                raise InvalidParameter("These scores are no Similarities: give thresholds as scores.")
            score = similarity if calibration is None else calibration.cosine(similarity)
            yield Wanted("threshold", score, f"Similarity {similarity:g}")
        for score in self.scores:
            yield Wanted("threshold", score, f"score {score:g}")
        for fmr in self.overall:
            yield Wanted("overall", fmr, f"FMR {fmr:g} overall")
        for fmr in self.worst_group:
            yield Wanted("worst_group", fmr, f"FMR {fmr:g} in the worst group")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a record says of how it was made."""

    command: str
    engine: Engine
    doubts: Doubts | None = None


@dataclass(frozen=True, slots=True)
class Photos:
    """The photos that scores were made of, and those in which whoever made them found no face."""

    data_set: DataSet
    failures: Sequence[Image]


def audit_enrolment(
    enrolment: Enrolment,
    evidence: Evidence,
    question: Question,
    circumstances: Circumstances,
    calibration: Calibration | None,
) -> AuditRecord:
    """What templates show; `calibration` tells what Similarity a cosine is."""
    data_set = enrolment.data_set
    points = audit_points(evidence, question, calibration)
    audited = AuditedDataSet(
        card=data_set.description.card,
        subjects=data_set.subjects,
        images=len(data_set.images),
        groupings=tuple(grouping for grouping in evidence.groupings if grouping != ALL),
        corrections=data_set.corrections,
        digest=enrolment.digest,
        doubts=circumstances.doubts,
    )
    return _record(
        evidence,
        question,
        circumstances,
        audited,
        points,
        populations=list(_populations(data_set, enrolment.failures, evidence, question.confidence)),
    ).model_copy(
        update={
            "identification": tuple(identify(enrolment, points, confidence=question.confidence)),
            "ageing": tuple(_ageing(evidence, points, question.confidence)),
        }
    )


def audit_table(
    table: ScoreTable,
    evidence: Evidence,
    question: Question,
    circumstances: Circumstances,
    *,
    scores_are_similarities: bool = False,
    photos: Photos | None = None,
) -> AuditRecord:
    """What a table of scores shows; `photos`: whose faces were sent to whoever made them, where that is known."""
    points = audit_points(evidence, question, None, scores_are_similarities=scores_are_similarities)
    audited = AuditedDataSet(
        card=table.card,
        subjects=table.subjects or 0,
        images=0 if photos is None else len(photos.data_set.images),
        groupings=tuple(grouping for grouping in evidence.groupings if grouping != ALL),
        digest=table.digest,
        doubts=circumstances.doubts,
    )
    if photos is None:
        populations = [_population(evidence, group, images=0, failures=None) for group in evidence.groups]
    else:
        populations = list(_populations(photos.data_set, photos.failures, evidence, question.confidence))
    return _record(evidence, question, circumstances, audited, points, populations=populations)


def audit_points(
    evidence: Evidence,
    question: Question,
    calibration: Calibration | None,
    *,
    scores_are_similarities: bool = False,
) -> list[OperatingPoint]:
    """The operating points that are asked for, and what each of them does."""
    points = []
    for one in question.wanted(calibration, scores_are_similarities=scores_are_similarities):
        found = find(one, evidence, confidence=question.confidence, min_subjects=question.min_subjects)
        similarity = None
        if found.threshold is not None and scores_are_similarities:
            similarity = found.threshold
        elif found.threshold is not None and calibration is not None and -1 <= found.threshold <= 1:
            similarity = round(calibration.similarity(found.threshold), 4)
        points.append(
            at(
                found,
                one,
                evidence,
                confidence=question.confidence,
                min_subjects=question.min_subjects,
                similarity=similarity,
            )
        )
    return points


def _record(
    evidence: Evidence,
    question: Question,
    circumstances: Circumstances,
    data_set: AuditedDataSet,
    points: Sequence[OperatingPoint],
    *,
    populations: Sequence[Population],
) -> AuditRecord:
    return AuditRecord(
        made_by=f"Countenance {__version__}",
        made_on=datetime.now(UTC).date().isoformat(),
        command=circumstances.command,
        versions={"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        engine=circumstances.engine,
        data_set=data_set,
        confidence=question.confidence,
        answer=answers.answer(points),
        limits=answers.limits(
            circumstances.engine,
            data_set,
            populations,
            points,
            min_subjects=question.min_subjects,
            subjects_known=evidence.population is not None,
        ),
        populations=tuple(populations),
        points=tuple(points),
        curves=tuple(_curves(evidence)),
        distributions=tuple(_distributions(evidence)),
    )


def _populations(
    data_set: DataSet, failures: Sequence[Image] | None, evidence: Evidence, confidence: float
) -> Iterator[Population]:
    images = data_set.images
    failed = None if failures is None else {image.name for image in failures}
    for grouping in groupings_of(data_set, images):
        for place, name in enumerate(grouping.groups):
            members = [image for image, group in zip(images, grouping.of_image, strict=True) if group == place]
            yield _population(
                evidence,
                Group(grouping.name, name),
                images=len(members),
                failures=None if failed is None else _failures(members, failed, confidence),
                subjects=len({image.identity for image in members}),
            )


def _failures(members: Sequence[Image], failed: set[str], confidence: float) -> Rate:
    places = {identity: place for place, identity in enumerate(sorted({image.identity for image in members}))}
    subjects = np.array([places[image.identity] for image in members], np.int32)
    return clustered(np.array([image.name in failed for image in members]), subjects, confidence)


def _population(
    evidence: Evidence, group: Group, *, images: int, failures: Rate | None, subjects: int | None = None
) -> Population:
    within, mated = evidence.non_mated.get((group, group)), evidence.mated.get(group)
    compared = 0 if within is None else within.subjects
    return Population(
        grouping=group.grouping,
        group=group.name,
        subjects=compared if subjects is None else subjects,
        images=images,
        subjects_with_mates=0 if mated is None else len(np.unique(mated.subjects)),
        mated_comparisons=0 if mated is None else len(mated.scores),
        non_mated_comparisons=0 if within is None else within.comparisons,
        failures=failures,
    )


def _ageing(evidence: Evidence, points: Sequence[OperatingPoint], confidence: float) -> Iterator[AgeGap]:
    mated, apart = evidence.mated.get(Group(ALL, EVERYONE)), evidence.years_apart
    if mated is None or apart is None:
        return
    for low, high in pairwise(AGE_GAPS):
        chosen = (apart >= low) & (apart < high)
        if chosen.any():
            band = Mated(ALL, EVERYONE, mated.scores[chosen], mated.subjects[chosen])
            yield AgeGap(
                from_years=low,
                to_years=float(min(high, np.ceil(apart[chosen].max()) + 1)),
                mean_score=float(band.scores.mean()),
                fnmr={
                    point.name: band.rate(point.threshold, confidence)
                    for point in points
                    if point.threshold is not None
                },
            )


def _curves(evidence: Evidence) -> Iterator[Curve]:
    for group in evidence.groups:
        within = evidence.non_mated.get((group, group))
        if within is not None:
            mated = evidence.mated.get(group)
            points = tuple(_curve_point(within, mated, threshold) for threshold in _thresholds(within, mated))
            yield Curve(grouping=group.grouping, group=group.name, points=points)


def _thresholds(within: NonMated, mated: Mated | None) -> list[float]:
    """Edges of bins, where counts are exact."""
    histogram = within.histogram
    fmrs = np.geomspace(1, 0.5 / within.comparisons, CURVE_FMRS)
    edges = np.searchsorted(-histogram.from_bin, -fmrs * within.comparisons)
    thresholds = {histogram.edge(int(edge)) for edge in edges}
    last = max(thresholds)
    if mated is not None and mated.scores.max() > last:
        beyond = np.linspace(last, mated.scores.max(), CURVE_BEYOND)
        thresholds |= {histogram.edge_above(float(threshold)) for threshold in beyond}
    return sorted(thresholds)


def _curve_point(within: NonMated, mated: Mated | None, threshold: float) -> CurvePoint:
    false_matches = within.false_matches(threshold)
    misses = 0 if mated is None else int(np.sum(mated.scores < threshold))
    return CurvePoint(
        threshold=threshold,
        fmr=false_matches / within.comparisons if false_matches else None,
        fnmr=misses / len(mated.scores) if mated is not None and misses else None,
    )


def _distributions(evidence: Evidence) -> Iterator[Distribution]:
    for group in evidence.groups:
        within, mated = evidence.non_mated.get((group, group)), evidence.mated.get(group)
        if within is not None:
            yield _distribution(group, within.histogram, mated=False)
        if mated is not None:
            bins = len(evidence.everyone.histogram.counts)
            counts, _ = np.histogram(mated.scores, bins=bins, range=(evidence.low, evidence.high))
            yield _distribution(group, Histogram(evidence.low, evidence.high, counts), mated=True)


def _distribution(group: Group, histogram: Histogram, *, mated: bool) -> Distribution:
    coarse: NDArray[np.int64] = histogram.counts.reshape(DISTRIBUTION_BINS, -1).sum(axis=1)
    return Distribution(
        grouping=group.grouping,
        group=group.name,
        mated=mated,
        low=histogram.low,
        high=histogram.high,
        counts=tuple(coarse.tolist()),
    )
