"""Tails are fitted so that rates nobody could observe are neither invented nor played down."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import genpareto

from countenance.fairness.calibration.tails import Excesses, TailFit, fit_tails


def drawn(shape: float, scale: float, number: int, seed: int, floor: float = 0.3) -> Excesses:
    scores = floor + genpareto.rvs(shape, scale=scale, size=number, random_state=np.random.default_rng(seed))
    return Excesses(floor, np.sort(scores)[::-1], np.ones(number), rate=0.02)


@pytest.mark.parametrize("shape", [-0.2, -0.05, 0.0, 0.1])
def test_groups_share_a_shape_and_keep_their_scale(shape: float) -> None:
    fits = fit_tails([drawn(shape, 0.04, 20_000, 1), drawn(shape, 0.05, 20_000, 2)], [1, 1])
    assert fits[0].shape == fits[1].shape == pytest.approx(shape, abs=0.015)
    assert [fit.scale for fit in fits] == pytest.approx([0.04, 0.05], rel=0.03)


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.1])
@pytest.mark.parametrize("fmr", [1e-3, 1e-5])
def test_a_threshold_is_the_quantile_of_the_tail(shape: float, fmr: float) -> None:
    expected = genpareto.isf(fmr / 0.02, shape, loc=0.3, scale=0.03)
    assert TailFit(0.3, 0.02, shape, 0.03).threshold(fmr) == pytest.approx(expected)


def test_no_threshold_lies_beyond_the_end_of_a_cosine() -> None:
    assert TailFit(0.9, 0.02, 0.5, 0.1).threshold(1e-9) == 1.0


def test_a_comparison_that_counts_twice_is_one_that_is_there_twice() -> None:
    group = drawn(-0.1, 0.04, 50, 3)
    weights = np.random.default_rng(4).integers(0, 4, size=50).astype(np.float64)
    weighted = fit_tails([Excesses(group.floor, group.scores, weights, 0.02)], [1])[0]
    repeated = np.repeat(group.scores, weights.astype(int))
    plain = fit_tails([Excesses(group.floor, repeated, np.ones(len(repeated)), 0.02)], [1])[0]
    assert weighted.shape == pytest.approx(plain.shape)
    assert weighted.scale == pytest.approx(plain.scale)


def test_a_group_without_excesses_leaves_the_shape_to_the_others() -> None:
    empty = Excesses(0.3, np.array([0.4]), np.array([0.0]), 1e-9)
    with_data = drawn(-0.1, 0.04, 5000, 5)
    assert fit_tails([empty, with_data], [10, 1])[1].shape == fit_tails([with_data], [1])[0].shape


def test_nothing_to_fit_is_an_error_not_a_guess() -> None:
    with pytest.raises(ValueError, match="enough comparisons"):
        fit_tails([Excesses(0.3, np.array([0.3, 0.3]), np.ones(2), 0.02)], [1])
