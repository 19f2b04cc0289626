"""Streaming all comparisons gives the same numbers as holding them all, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from countenance.fairness import comparisons


def people(
    subjects: int, images: int, seed: int = 0, dimension: int = 16
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    centres = np.repeat(generator.normal(size=(subjects, dimension)), images, axis=0)
    vectors = centres + 0.3 * generator.normal(size=centres.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), np.repeat(np.arange(subjects), images)


def all_scores(templates: NDArray[np.float64], subjects: NDArray[np.int64], *, mated: bool) -> NDArray[np.float64]:
    left, right = np.triu_indices(len(templates), 1)
    scores = np.array(
        [sum(a * b for a, b in zip(templates[i], templates[j], strict=True)) for i, j in zip(left, right, strict=True)]
    )
    kept: NDArray[np.float64] = np.sort(scores[(subjects[left] == subjects[right]) == mated])[::-1]
    return kept


def test_non_mated_comparisons_are_those_between_different_people() -> None:
    vectors, subjects = people(12, 3)
    templates = comparisons.exact(vectors)
    expected = all_scores(templates, subjects, mated=False)
    assert comparisons.non_mated_histogram(templates, subjects).sum() == len(expected) == 36 * 35 / 2 - 12 * 3
    tail = comparisons.non_mated_tail(templates, subjects, -1.0)
    assert tail.scores.tolist() == expected.tolist()
    assert np.all(subjects[tail.left] != subjects[tail.right])
    assert np.all(tail.left < tail.right)


def test_mated_comparisons_are_those_within_one_person() -> None:
    vectors, subjects = people(12, 3)
    templates = comparisons.exact(vectors)
    assert (
        comparisons.mated_scores(templates, subjects).scores.tolist()
        == all_scores(templates, subjects, mated=True).tolist()
    )


@given(st.integers(1, 80), st.integers(0, 5))
def test_the_size_of_the_blocks_changes_nothing(block: int, seed: int) -> None:
    vectors, subjects = people(30, 2, seed, dimension=128)
    templates = comparisons.exact(vectors)
    whole = comparisons.non_mated_tail(templates, subjects, 0.1)
    parts = comparisons.non_mated_tail(templates, subjects, 0.1, block=block)
    assert whole.scores.tolist() == parts.scores.tolist()
    assert whole.left.tolist() == parts.left.tolist()
    assert whole.right.tolist() == parts.right.tolist()
    histogram = comparisons.non_mated_histogram(templates, subjects, block=block)
    assert histogram.tolist() == comparisons.non_mated_histogram(templates, subjects).tolist()


@given(st.floats(-0.99, 0.99))
def test_at_the_edge_of_a_bin_the_count_is_exact(threshold: float) -> None:
    vectors, subjects = people(20, 2)
    templates = comparisons.exact(vectors)
    edge = comparisons.round_up(threshold)
    assert threshold <= edge <= threshold + 2 / comparisons.BINS
    histogram = comparisons.non_mated_histogram(templates, subjects)
    assert comparisons.count_from(histogram, edge) == np.sum(all_scores(templates, subjects, mated=False) >= edge)


def test_inside_a_bin_no_count_is_made_up() -> None:
    with pytest.raises(ValueError, match="not known"):
        comparisons.count_from(np.zeros(comparisons.BINS, np.int64), 0.123456789)


@pytest.mark.parametrize("at_most", [0, 1, 10, 100, 10**6])
def test_the_floor_of_a_tail_is_the_lowest_that_keeps_it_small(at_most: int) -> None:
    vectors, subjects = people(20, 1)
    histogram = comparisons.non_mated_histogram(comparisons.exact(vectors), subjects)
    floor = comparisons.floor_of_tail(histogram, at_most)
    assert comparisons.count_from(histogram, floor) <= at_most
    if floor > -1:
        assert comparisons.count_from(histogram, floor - 2 / comparisons.BINS) > at_most


def test_templates_that_are_no_unit_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="unit"):
        comparisons.exact(np.ones((2, 4), np.float32))


def test_rounding_moves_a_score_by_less_than_float32_would() -> None:
    vectors, _ = people(40, 1, dimension=512)
    doubles = vectors.astype(np.float64)
    doubles /= np.linalg.norm(doubles, axis=1, keepdims=True)
    templates = comparisons.exact(vectors)
    assert np.abs(templates @ templates.T - doubles @ doubles.T).max() < 2e-7
