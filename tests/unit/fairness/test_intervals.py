"""Intervals hold what they promise although comparisons share subjects."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from countenance.fairness.intervals import design_effect, subject_weights, wilson

SUBJECTS = 60


def false_matches(generator: np.random.Generator) -> NDArray[np.bool_]:
    """One population's comparisons: some people are far more alike to everyone than others."""
    alikeness = generator.normal(size=SUBJECTS)
    scores = generator.normal(size=(SUBJECTS, SUBJECTS)) + 0.7 * (alikeness[:, None] + alikeness[None, :])
    return np.triu(scores > 3.3, 1)


def test_counting_comparisons_as_independent_promises_too_much_and_counting_subjects_does_not() -> None:
    generator = np.random.default_rng(7)
    populations = [false_matches(generator) for _ in range(600)]
    pairs = SUBJECTS * (SUBJECTS - 1) // 2
    truth = np.mean([matches.sum() / pairs for matches in populations])
    naive = honest = 0
    for matches in populations:
        errors = matches.sum(axis=0) + matches.sum(axis=1)
        effect = design_effect(errors, np.full(SUBJECTS, SUBJECTS - 1))
        count = int(matches.sum())
        plain, adjusted = wilson(count, pairs, 0.95), wilson(count / effect, pairs / effect, 0.95)
        naive += plain.low <= truth <= plain.high
        honest += adjusted.low <= truth <= adjusted.high
    assert naive / 600 < 0.75
    assert honest / 600 > 0.9


def test_independent_comparisons_are_not_inflated() -> None:
    generator = np.random.default_rng(8)
    matches = np.triu(generator.random((400, 400)) < 0.01, 1)
    errors = matches.sum(axis=0) + matches.sum(axis=1)
    assert design_effect(errors, np.full(400, 399)) == pytest.approx(1, abs=1.2)


def test_no_errors_leave_an_upper_bound_of_about_three_in_the_number() -> None:
    interval = wilson(0, 30_000, 0.95)
    assert interval.low == 0
    assert interval.high == pytest.approx(1.28e-4, rel=0.01)
    assert design_effect(np.zeros(5, np.int64), np.full(5, 4)) == 1.0


def test_wilson_agrees_with_its_textbook_value() -> None:
    interval = wilson(10, 100, 0.95)
    assert (interval.low, interval.high) == pytest.approx((0.05523, 0.17437), abs=1e-5)


def test_every_replicate_draws_as_many_people_as_there_are() -> None:
    first, second = (list(subject_weights(50, 20, seed=3)) for _ in range(2))
    assert all(weights.sum() == 50 for weights in first)
    assert [weights.tolist() for weights in first] == [weights.tolist() for weights in second]
    assert first[0].tolist() != first[1].tolist()
