"""Thresholds for wanted false match rates, group by group, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.fairness.calibration.tails import Excesses, fit_tails
from countenance.fairness.statistics.intervals import RULE_OF_30, subject_weights
from countenance.fairness.statistics.pairings import FullPairing
from countenance.fairness.statistics.rates import NonMated
from countenance.vision.calibration import Interval

DEFAULT_REPLICATES = 1000

# Of a group's comparisons, those that its tail is fitted to.
TAIL_SHARE = 0.02

# The same data give the same calibration.
SEED = 20_260_101


@dataclass(frozen=True, slots=True, eq=False)
class Impostors:
    """The non-mated comparisons within one group of one data set; `outside`: no pin promises anything for it."""

    data_set: str
    outside: bool
    found: NonMated


@dataclass(frozen=True, slots=True)
class Threshold:
    """The score at which a group's false match rate is `fmr`; `observed` where at least 30 false matches show it."""

    group: Impostors
    fmr: float
    estimate: float
    interval: Interval
    observed: bool


def thresholds(
    groups: Sequence[Impostors], fmrs: Sequence[float], *, confidence: float, replicates: int = DEFAULT_REPLICATES
) -> tuple[list[list[Threshold]], float]:
    """For each of `fmrs`, the threshold of every group; and the shape of their common tail.

    Where a group has at least 30 false matches at a rate, its threshold is read off its own scores; rarer rates come
    from the tail. The interval is the bootstrap's percentile interval: people are drawn with replacement, the same
    draw for all groups of a data set, and everything is estimated anew.
    """
    samples = [_Sample(group) for group in groups]
    estimates, shape = _estimate(samples, [sample.drawn(None) for sample in samples], fmrs)
    people = {group.data_set: len(_images(group)) for group in groups}
    draws = zip(
        *(subject_weights(count, replicates, SEED + number) for number, count in enumerate(people.values())),
        strict=True,
    )
    replicas = np.empty((replicates, len(fmrs), len(groups)))
    for replicate, weights in enumerate(draws):
        of_data_set = dict(zip(people, weights, strict=True))
        drawn = [sample.drawn(of_data_set[sample.group.data_set]) for sample in samples]
        replicas[replicate], _ = _estimate(samples, drawn, fmrs)
    low, high = np.quantile(replicas, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return [
        [
            Threshold(
                group,
                fmr,
                float(estimates[row, column]),
                Interval(low=float(low[row, column]), high=float(max(high[row, column], estimates[row, column]))),
                sample.observes(fmr),
            )
            for column, (group, sample) in enumerate(zip(groups, samples, strict=True))
        ]
        for row, fmr in enumerate(fmrs)
    ], shape


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """A group's tail in one replicate: how often each of its comparisons counts, and all comparisons together."""

    weights: NDArray[np.float64]
    comparisons: float


class _Sample:
    """A group's scores from its highest down, kept for drawing from again and again."""

    def __init__(self, group: Impostors) -> None:
        self.group = group
        self._found = group.found
        self._excesses = max(1, min(len(self._found.scores) - 1, int(TAIL_SHARE * self._found.comparisons)))

    def observes(self, fmr: float) -> bool:
        return fmr * self._found.comparisons >= RULE_OF_30

    def drawn(self, weights: NDArray[np.float64] | None) -> _Drawn:
        found = self._found
        if weights is None:
            return _Drawn(np.ones(len(found.scores)), float(found.comparisons))
        assert found.pairing is not None
        return _Drawn(weights[found.left] * weights[found.right], float(found.pairing.weighted(weights[None])[0]))

    def read_off(self, drawn: _Drawn, fmr: float) -> float:
        """The lowest score of the sample at which at most a share `fmr` matches."""
        scores = self._found.scores
        first = int(np.searchsorted(np.cumsum(drawn.weights), fmr * drawn.comparisons, side="right"))
        return float(np.nextafter(scores[min(first, len(scores) - 1)], 1))

    def excesses(self, drawn: _Drawn) -> Excesses:
        scores, weights = self._found.scores[: self._excesses], drawn.weights[: self._excesses]
        floor = float(self._found.scores[self._excesses])
        return Excesses(floor, scores, weights, max(float(weights.sum()), 1.0) / max(drawn.comparisons, 1.0))


def _images(group: Impostors) -> NDArray[np.float64]:
    assert isinstance(group.found.pairing, FullPairing)
    return group.found.pairing.images


def _estimate(
    samples: Sequence[_Sample], drawn: Sequence[_Drawn], fmrs: Sequence[float]
) -> tuple[NDArray[np.float64], float]:
    """Thresholds float64 (fmrs, groups), and the common shape."""
    tails = fit_tails(
        [sample.excesses(draw) for sample, draw in zip(samples, drawn, strict=True)],
        [sample.group.found.subjects for sample in samples],
    )
    result = np.array(
        [
            [
                sample.read_off(draw, fmr) if sample.observes(fmr) else tail.threshold(fmr)
                for sample, draw, tail in zip(samples, drawn, tails, strict=True)
            ]
            for fmr in fmrs
        ]
    )
    return result, tails[0].shape
