"""How sure an error rate is when comparisons share subjects.

Comparisons of one subject are not independent, so an interval that counts them as if they were is far too narrow.
Everything here resamples or sums over subjects (Fogliato, Patil and Perona, "Confidence intervals for error rates in
1:1 matching tasks", IJCV 2024; ISO/IEC 19795-1 on the uncertainty of estimates).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from countenance.vision.calibration import Interval

# Doddington's rule: with fewer errors than this, a rate is not known to within 30 %.
RULE_OF_30 = 30


def subject_weights(subjects: int, replicates: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each of `subjects` people is drawn in each bootstrap replicate, float64 (subjects,)."""
    generator = np.random.default_rng(seed)
    for _ in range(replicates):
        yield generator.multinomial(subjects, np.full(subjects, 1 / subjects)).astype(np.float64)


def design_effect(errors: NDArray[np.int64], comparisons: NDArray[np.int64]) -> float:
    """By how much sharing subjects inflates the variance of an error rate, at least 1.

    `errors` and `comparisons` int64 (subjects,): those each subject takes part in, so that every comparison counts
    for two subjects.
    """
    total = float(comparisons.sum()) / 2
    rate = float(errors.sum()) / 2 / total
    if rate in (0.0, 1.0):
        return 1.0
    count = len(errors)
    residuals = errors - rate * comparisons
    variance = float(residuals @ residuals) / total**2 * count / (count - 1)
    return max(1.0, variance / (rate * (1 - rate) / total))


def wilson(errors: float, comparisons: float, confidence: float) -> Interval:
    """Wilson's score interval of a rate; `comparisons` is the effective number, which need not be whole."""
    z = float(norm.ppf((1 + confidence) / 2))
    rate = errors / comparisons
    scale = 1 + z * z / comparisons
    middle = (rate + z * z / (2 * comparisons)) / scale
    half = z * math.sqrt(rate * (1 - rate) / comparisons + z * z / (4 * comparisons**2)) / scale
    return Interval(low=max(0.0, middle - half) if errors else 0.0, high=min(1.0, middle + half))
