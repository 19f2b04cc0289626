"""How sure an error rate is when comparisons share subjects.

Comparisons of one subject are not independent, so an interval that counts them as if they were is far too narrow.
Everything here resamples or sums over subjects (Fogliato, Patil and Perona, "Confidence intervals for error rates in
1:1 matching tasks", IJCV 2024; ISO/IEC 19795-1 on the uncertainty of estimates).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from countenance.fairness.statistics.pairings import Pairing
from countenance.vision.calibration import Interval

# Doddington's rule: with fewer errors than this, a rate is not known to within 30 %.
RULE_OF_30 = 30

# Replicates whose weights are held at once: 80 MB for 100,000 subjects.
BATCH = 100


def subject_weights(subjects: int, replicates: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each of `subjects` people is drawn in each bootstrap replicate, float64 (subjects,)."""
    generator = np.random.default_rng(seed)
    for _ in range(replicates):
        yield generator.multinomial(subjects, np.full(subjects, 1 / subjects)).astype(np.float64)


def in_batches(weights: Iterator[NDArray[np.float64]]) -> Iterator[NDArray[np.float64]]:
    """Weights of several replicates at once, float64 (BATCH, subjects) or fewer rows at the end."""
    while batch := list(islice(weights, BATCH)):
        yield np.stack(batch)


def pair_variance(left: NDArray[np.int32], right: NDArray[np.int32], pairing: Pairing) -> float:
    """Variance of a false match rate: Fogliato, Patil and Perona's plug-in estimator.

    `left`, `right` int32 (errors,): the subjects of each false match. The covariance of comparisons that share a
    subject is never taken to be below zero.
    """
    population = len(pairing.by_subject)
    rate = len(left) / pairing.comparisons
    errors = np.bincount(np.concatenate([left, right]), minlength=population)
    residuals = errors - rate * pairing.by_subject
    keys = np.minimum(left, right).astype(np.int64) * population + np.maximum(left, right)
    pairs, counts = np.unique(keys, return_counts=True)
    of_pairs = pairing.of_pairs((pairs // population).astype(np.int32), (pairs % population).astype(np.int32))
    own = float(counts @ counts) - 2 * rate * float(counts @ of_pairs) + rate**2 * pairing.squares
    return max(float(residuals @ residuals) - own, own) / float(pairing.comparisons) ** 2


def cluster_variance(errors: NDArray[np.float64], trials: NDArray[np.float64]) -> float:
    """Variance of a rate whose trials come in independent clusters: errors and trials of each, (clusters,)."""
    rate = errors.sum() / trials.sum()
    residuals = errors - rate * trials
    return float(residuals @ residuals) / float(trials.sum()) ** 2


def design_effect(variance: float, errors: int, comparisons: int) -> float:
    """By how much sharing subjects inflates the variance of an error rate, at least 1; 1 where nothing varies."""
    rate = errors / comparisons
    if rate in (0.0, 1.0):
        return 1.0
    return max(1.0, variance / (rate * (1 - rate) / comparisons))


def wilson(errors: float, comparisons: float, confidence: float) -> Interval:
    """Wilson's score interval of a rate; `comparisons` is the effective number, which need not be whole."""
    z = normal_quantile(confidence)
    rate = errors / comparisons
    scale = 1 + z * z / comparisons
    middle = (rate + z * z / (2 * comparisons)) / scale
    half = z * math.sqrt(rate * (1 - rate) / comparisons + z * z / (4 * comparisons**2)) / scale
    return Interval(low=max(0.0, middle - half) if errors else 0.0, high=min(1.0, middle + half))


def normal_quantile(confidence: float, statements: int = 1) -> float:
    """How many standard errors a two-sided interval extends each way, so that all of so many hold (Bonferroni)."""
    return float(norm.isf((1 - confidence) / 2 / statements))
