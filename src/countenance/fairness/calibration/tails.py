"""False match rates rarer than what a data set can show: peaks over a threshold.

Excesses over a high threshold follow a generalised Pareto distribution (Pickands, Annals of Statistics 1975). A group
of some hundred subjects fixes its own scale well and its own shape badly, so all groups share one shape, from averaged
L-moment ratios, and keep their own scale and rate (Hosking and Wallis, "Regional Frequency Analysis", 1997).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Excesses:
    """What lies above a group's threshold `floor`.

    `scores` float64 (m,), highest first, each at least `floor`; `weights` float64 (m,), how often each counts;
    `rate`: weighted share of all comparisons that these are.
    """

    floor: float
    scores: NDArray[np.float64]
    weights: NDArray[np.float64]
    rate: float


@dataclass(frozen=True, slots=True)
class TailFit:
    """A generalised Pareto tail: P(score >= t) = rate * (1 + shape (t - floor) / scale)^(-1/shape)."""

    floor: float
    rate: float
    shape: float
    scale: float

    def threshold(self, fmr: float) -> float:
        """The score that a share `fmr` <= rate of all comparisons reaches; at most 1, a cosine's end."""
        if abs(self.shape) < 1e-9:
            score = self.floor + self.scale * float(np.log(self.rate / fmr))
        else:
            score = self.floor + self.scale / self.shape * float((fmr / self.rate) ** -self.shape - 1)
        return min(1.0, score)


def fit_tails(groups: Sequence[Excesses], trust: Sequence[float]) -> list[TailFit]:
    """One tail per group, all of one shape.

    `trust` weighs each group's part in the common shape: its number of subjects. Raises `ValueError` when no group
    has two different excesses.
    """
    moments = [_l_moments(group) for group in groups]
    ratios = np.array([second / first if first > 0 else np.nan for first, second in moments])
    usable = np.isfinite(ratios) & (ratios > 0)
    if not usable.any():
        raise ValueError("No group has enough comparisons above its threshold.")
    ratio = float(np.average(ratios[usable], weights=np.asarray(trust, dtype=np.float64)[usable]))
    shape = 2 - 1 / ratio
    return [
        TailFit(group.floor, group.rate, shape, first * (1 - shape))
        for group, (first, _) in zip(groups, moments, strict=True)
    ]


def _l_moments(group: Excesses) -> tuple[float, float]:
    """Weighted mean and second L-moment (half the mean difference) of the excesses."""
    excesses, weights = (group.scores - group.floor)[::-1], group.weights[::-1]
    total = float(weights.sum())
    if total <= 1:
        return (0.0, 0.0)
    below = np.cumsum(weights) - weights
    rank = (below + (weights - 1) / 2) / (total - 1)
    first = float(weights @ excesses) / total
    return first, 2 * float((weights * rank) @ excesses) / total - first
