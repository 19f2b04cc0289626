"""False match and false non-match rates of demographic groups (ISO/IEC 19795-1; within a group: ISO/IEC 19795-10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.fairness import comparisons
from countenance.fairness.comparisons import Tail
from countenance.fairness.enrolment import Enrolment
from countenance.fairness.intervals import RULE_OF_30, design_effect, wilson
from countenance.vision.calibration import MeasuredRate

# Comparisons kept in full per group: its highest 2 %, where the tail is fitted; of small groups more, so that all rates
# of interest lie in it; never more than 2 million (64 MB).
TAIL_SHARE = 0.02
MIN_TAIL = 20_000
MAX_TAIL = 2_000_000

# From here on a share of false matches can be read off as it is; below it a threshold is a matter of one comparison.
ENOUGH_FALSE_MATCHES = RULE_OF_30


@dataclass(frozen=True, slots=True, eq=False)
class Impostors:
    """All non-mated comparisons within one group of one data set.

    `identities` int64 (n,): the person of each template, numbered from 0 within the data set; `histogram` as
    `comparisons.non_mated_histogram`; `tail`: its highest scores in full, positions among the group's templates.
    """

    data_set: str
    group: str
    outside: bool
    identities: NDArray[np.int64]
    comparisons: int
    histogram: NDArray[np.int64]
    tail: Tail

    @property
    def subjects(self) -> int:
        """Different people in the group."""
        return len(np.unique(self.identities))

    def false_matches(self, threshold: float) -> int:
        """Exact number of comparisons scoring at least `threshold`: an edge of the histogram, or within the tail."""
        if threshold >= self.tail.floor:
            return int(np.searchsorted(-self.tail.scores, -threshold, side="right"))
        return comparisons.count_from(self.histogram, threshold)

    def threshold(self, fmr: float) -> float:
        """The lowest score at which at most a share `fmr` of the comparisons matches: exact in the tail, a histogram
        bin's upper edge below it. Comparisons match when they score at least the threshold."""
        allowed = int(fmr * self.comparisons)
        if allowed < len(self.tail.scores):
            return float(np.nextafter(self.tail.scores[allowed], 1))
        return comparisons.floor_of_tail(self.histogram, allowed)

    def rate(self, threshold: float, confidence: float) -> MeasuredRate:
        """False match rate at a threshold, with an interval that admits that comparisons share subjects."""
        count = self.false_matches(threshold)
        effect = self._design_effect(max(count, min(ENOUGH_FALSE_MATCHES, len(self.tail.scores))))
        interval = wilson(count / effect, max(1.0, self.comparisons / effect), confidence)
        return MeasuredRate(errors=count, rate=count / self.comparisons, interval=interval)

    def _design_effect(self, count: int) -> float:
        """Of the `count` highest comparisons. A handful says nothing of dependence: callers ask for a tailful."""
        _, positions = np.unique(self.identities, return_inverse=True)
        ends = np.concatenate([positions[self.tail.left[:count]], positions[self.tail.right[:count]]])
        images = np.bincount(positions)
        return design_effect(np.bincount(ends, minlength=len(images)), images * (images.sum() - images))


def impostors_by_group(enrolment: Enrolment) -> Iterator[Impostors]:
    """Every group of a data set that has at least two people, in alphabetical order."""
    templates = comparisons.exact(enrolment.templates)
    people = {identity: number for number, identity in enumerate(sorted({i.identity for i in enrolment.images}))}
    identities = np.array([people[image.identity] for image in enrolment.images], dtype=np.int64)
    for group in sorted({group for image in enrolment.images for group in image.groups}):
        members = np.array([group in image.groups for image in enrolment.images])
        measured = _impostors(templates[members], identities[members])
        outside = any(image.outside for image in enrolment.images if group in image.groups)
        if measured is not None:
            number, histogram, tail = measured
            yield Impostors(enrolment.data_set.name, group, outside, identities[members], number, histogram, tail)


def _impostors(
    templates: NDArray[np.float64], identities: NDArray[np.int64]
) -> tuple[int, NDArray[np.int64], Tail] | None:
    histogram = comparisons.non_mated_histogram(templates, identities)
    number = int(histogram.sum())
    if number == 0:
        return None
    floor = comparisons.floor_of_tail(histogram, min(MAX_TAIL, max(MIN_TAIL, int(TAIL_SHARE * number))))
    return number, histogram, comparisons.non_mated_tail(templates, identities, floor)


@dataclass(frozen=True, slots=True, eq=False)
class Mates:
    """All mated comparisons of one data set: `scores` float64 (m,) and the subject of each, int64 (m,)."""

    scores: NDArray[np.float64]
    subjects: NDArray[np.int64]

    def rate(self, threshold: float, confidence: float) -> MeasuredRate:
        """False non-match rate at a threshold. Subjects are independent; comparisons of one subject are not."""
        _, positions = np.unique(self.subjects, return_inverse=True)
        counts = np.bincount(positions)
        misses = np.bincount(positions, weights=self.scores < threshold)
        # Kish's effective sample size for clusters: with one comparison a subject it is their number.
        rate = misses.sum() / counts.sum()
        variance = float(((misses - rate * counts) ** 2).sum()) / float(counts.sum()) ** 2
        effective = rate * (1 - rate) / variance if variance > 0 else float(len(counts))
        effective = min(effective, float(counts.sum()))
        interval = wilson(rate * effective, effective, confidence)
        return MeasuredRate(errors=int(misses.sum()), rate=rate, interval=interval)


def mates(enrolment: Enrolment) -> Mates | None:
    """The mated comparisons of a data set; None where it does not say which images show one person."""
    if not enrolment.data_set.has_mates:
        return None
    names = {name: number for number, name in enumerate(sorted({image.subject for image in enrolment.images}))}
    subjects = np.array([names[image.subject] for image in enrolment.images], dtype=np.int64)
    pairs = comparisons.mated_scores(comparisons.exact(enrolment.templates), subjects)
    return Mates(pairs.scores, subjects[pairs.left]) if len(pairs.scores) else None
