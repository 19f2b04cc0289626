"""False match, false non-match and failure rates of groups (ISO/IEC 19795-1; within a group: ISO/IEC 19795-10)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from countenance.fairness.record import Rate
from countenance.fairness.statistics.intervals import (
    RULE_OF_30,
    cluster_variance,
    design_effect,
    pair_variance,
    wilson,
)
from countenance.fairness.statistics.pairings import Pairing, counted, weighted_sum
from countenance.vision.calibration import Interval


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts of scores in equal bins over [low, high], int64 (bins,)."""

    low: float
    high: float
    counts: NDArray[np.int64]

    @cached_property
    def from_bin(self) -> NDArray[np.int64]:
        """How many scores are in each bin or above, (bins + 1,)."""
        return np.append(np.cumsum(self.counts[::-1])[::-1], 0)

    def edge(self, position: int) -> float:
        """The lower edge of a bin."""
        return self.low + position * (self.high - self.low) / len(self.counts)

    def count_from(self, threshold: float) -> int:
        """How many score at least `threshold`. Raises `ValueError` where that is not an edge of a bin."""
        position = (threshold - self.low) * len(self.counts) / (self.high - self.low)
        if position != int(position):
            raise ValueError("Inside a bin of the histogram the count is not known.")
        return int(self.from_bin[int(position)])

    def edge_above(self, threshold: float) -> float:
        """The lowest edge that is at least `threshold`: there, the count is known exactly."""
        return self.edge(math.ceil((threshold - self.low) * len(self.counts) / (self.high - self.low)))


@dataclass(frozen=True, eq=False)
class NonMated:
    """All non-mated comparisons within a group, or between two.

    `histogram` counts all of them. Those that score at least `floor` are known in full: `scores` float64 (m,), highest
    first, and the subjects of each, `left` and `right` int32 (m,). `pairing` None: nobody knows who the subjects are.
    """

    grouping: str
    group: str
    other: str
    comparisons: int
    histogram: Histogram
    floor: float
    scores: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    pairing: Pairing | None

    @property
    def subjects(self) -> int:
        """Different people that take part; 0 where nobody knows."""
        return 0 if self.pairing is None else self.pairing.subjects

    def knows(self, threshold: float) -> float:
        """The lowest threshold from `threshold` on at which the number of false matches is known exactly."""
        return threshold if threshold >= self.floor else self.histogram.edge_above(threshold)

    def false_matches(self, threshold: float) -> int:
        """Exact number of comparisons scoring at least `threshold`. Raises `ValueError` where it is not known."""
        if threshold >= self.floor:
            return int(np.searchsorted(-self.scores, -threshold, side="right"))
        return self.histogram.count_from(threshold)

    def threshold(self, fmr: float) -> float:
        """The lowest score at which at most a share `fmr` matches: exact in the tail, a bin's upper edge below it."""
        allowed = int(fmr * self.comparisons)
        if allowed < len(self.scores):
            return float(np.nextafter(self.scores[allowed], math.inf))
        if self.comparisons == len(self.scores):
            return float(self.scores[-1])
        return self.histogram.edge(int(np.searchsorted(-self.histogram.from_bin, -allowed)))

    def rate(self, threshold: float, confidence: float, *, asked: float | None = None) -> Rate:
        """False match rate at a threshold; `asked` is the rate to be shown where no false match is seen."""
        return self.rate_of(self.false_matches(threshold), confidence, asked=asked)

    def rate_of(self, errors: int, confidence: float, *, asked: float | None = None) -> Rate:
        """False match rate where the `errors` highest scores match."""
        return _rate(errors, self.comparisons, self.subjects, self.effect(errors), confidence, asked=asked, grows=2)

    def effect(self, errors: int) -> float:
        """By how much shared subjects inflate the variance where the `errors` highest scores match.

        A handful of false matches says nothing of dependence: it is then taken from the 30 highest scores; and where
        not all of so many are known in full, from those that are.
        """
        if self.pairing is None:
            return 1.0
        known = min(max(errors, RULE_OF_30), len(self.scores))
        if known == 0:
            return 1.0
        variance = pair_variance(self.left[:known], self.right[:known], self.pairing)
        return design_effect(variance, known, self.comparisons)

    def drawn(self, threshold: float, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The false match rate when each subject is there so often, weights (r, S), result (r,); needs a pairing."""
        assert self.pairing is not None
        known = int(np.searchsorted(-self.scores, -threshold, side="right"))
        errors = weighted_sum(counted(self.left[:known], self.right[:known], weights.shape[1]), weights)
        return errors / np.maximum(self.pairing.weighted(weights), 1)


@dataclass(frozen=True, eq=False)
class Mated:
    """All mated comparisons of a group: `scores` float64 (m,) and the subject of each, int32 (m,).

    Where nobody knows the subjects, each comparison is one of its own.
    """

    grouping: str
    group: str
    scores: NDArray[np.float64]
    subjects: NDArray[np.int32]

    def rate(self, threshold: float, confidence: float, *, asked: float | None = None) -> Rate:
        """False non-match rate at a threshold. Subjects are independent; comparisons of one subject are not."""
        return clustered(self.scores < threshold, self.subjects, confidence, asked=asked)

    def drawn(self, threshold: float, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The false non-match rate when each subject is there so often, weights (r, S), result (r,)."""
        misses = np.bincount(self.subjects, weights=self.scores < threshold, minlength=weights.shape[1])
        trials = np.bincount(self.subjects, minlength=weights.shape[1]).astype(np.float64)
        result: NDArray[np.float64] = (weights @ misses) / np.maximum(weights @ trials, 1)
        return result


def clustered(
    errors: NDArray[np.bool_], subjects: NDArray[np.int32], confidence: float, *, asked: float | None = None
) -> Rate:
    """The rate of trials, each of one subject: errors bool (m,), subjects (m,)."""
    _, positions = np.unique(subjects, return_inverse=True)
    trials = np.bincount(positions).astype(np.float64)
    wrong = np.bincount(positions, weights=errors, minlength=len(trials)).astype(np.float64)
    count, number = int(errors.sum()), len(errors)
    if number == 0:
        return _rate(0, 0, 0, 1.0, confidence, asked=asked, grows=1)
    # Where nothing varies, Kish's effective sample size for clusters of which nothing is known: their number.
    varies = 0 < count < number
    effect = design_effect(cluster_variance(wrong, trials), count, number) if varies else number / len(trials)
    return _rate(count, number, len(trials), effect, confidence, asked=asked, grows=1)


def _rate(
    errors: int, comparisons: int, subjects: int, effect: float, confidence: float, *, asked: float | None, grows: int
) -> Rate:
    """`grows`: with which power of the number of subjects comparisons grow."""
    if comparisons == 0:
        return Rate(errors=0, comparisons=0, subjects=subjects, rate=None, interval=None, shown=False)
    interval: Interval = wilson(errors / effect, max(1.0, comparisons / effect), confidence)
    shown = errors >= RULE_OF_30 * effect
    needed = None
    if not shown:
        sought = errors / comparisons or asked or interval.high
        needed = math.ceil(subjects * (RULE_OF_30 * effect / (sought * comparisons)) ** (1 / grows)) or None
    return Rate(
        errors=errors,
        comparisons=comparisons,
        subjects=subjects,
        rate=errors / comparisons if errors else None,
        interval=interval,
        shown=shown,
        needs_subjects=None if needed is None else max(needed, subjects + 1),
    )
