"""Intervals hold what they promise although comparisons share subjects."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from countenance.fairness.statistics.intervals import (
    cluster_variance,
    design_effect,
    normal_quantile,
    pair_variance,
    subject_weights,
    wilson,
)
from countenance.fairness.statistics.pairings import FullPairing, ListedPairing, counted, weighted_sum
from tests.unit.fairness.synthetic import DIMENSION, true_threshold

SUBJECTS = 60
IMAGES = 4


def faces(generator: np.random.Generator, subjects: int = SUBJECTS, images: int = IMAGES) -> NDArray[np.float64]:
    """Photos of some people, unit vectors (subjects * images, d): alike within a person, as random between them."""
    people = np.repeat(generator.normal(size=(subjects, DIMENSION)), images, axis=0)
    vectors = people + 0.6 * generator.normal(size=people.shape)
    result: NDArray[np.float64] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return result


def false_matches(
    vectors: NDArray[np.float64], images: int, threshold: float
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The subjects of each false match."""
    left, right = np.nonzero(np.triu(vectors @ vectors.T >= threshold, 1))
    left, right = left // images, right // images
    return left[left != right].astype(np.int32), right[left != right].astype(np.int32)


def test_intervals_cover_the_truth_where_naive_ones_miss_it_half_of_the_time() -> None:
    generator = np.random.default_rng(7)
    truth, repetitions = 0.01, 300
    threshold = true_threshold(truth)
    pairing = FullPairing(np.full(SUBJECTS, float(IMAGES)))
    naive = honest = drawn = 0
    weights = np.stack(list(subject_weights(SUBJECTS, 200, seed=1)))
    for _ in range(repetitions):
        left, right = false_matches(faces(generator), IMAGES, threshold)
        count, pairs = len(left), pairing.comparisons
        effect = design_effect(pair_variance(left, right, pairing), count, pairs)
        plain, adjusted = wilson(count, pairs, 0.95), wilson(count / effect, pairs / effect, 0.95)
        replicas = weighted_sum(counted(left, right, SUBJECTS), weights) / pairing.weighted(weights)
        low, high = np.quantile(replicas, [0.025, 0.975])
        naive += plain.low <= truth <= plain.high
        honest += adjusted.low <= truth <= adjusted.high
        drawn += low <= truth <= high
    assert naive / repetitions < 0.8
    assert honest / repetitions >= 0.9
    assert drawn / repetitions >= 0.9


@pytest.mark.parametrize(
    "case",
    json.loads(Path(__file__).with_name("cimat.json").read_text("utf-8")),
    ids=["one image each", "four images each", "as many as there were"],
)
def test_variances_and_intervals_are_those_of_the_reference_implementation(case: dict[str, Any]) -> None:
    rows = np.array(case["comparisons"])
    one, other, scores = rows[:, 0].astype(np.int32), rows[:, 1].astype(np.int32), rows[:, 2]
    pairing = FullPairing(np.array(case["images"], np.float64))
    for figures in case["figures"]:
        matches = (one != other) & (scores >= figures["threshold"])
        left, right = one[matches], other[matches]
        variance = pair_variance(left, right, pairing)
        assert variance == pytest.approx(figures["fmr_variance"], rel=1e-9)
        independent = len(left) * (1 - len(left) / pairing.comparisons) / pairing.comparisons**2
        effect = variance / independent
        interval = wilson(len(left) / effect, pairing.comparisons / effect, 0.95)
        assert (interval.low, interval.high) == pytest.approx(figures["fmr_interval"], rel=1e-9)

        if figures["fnmr_variance"] is not None:
            people, trials = np.unique(one[one == other], return_counts=True)
            misses = [np.sum((one == other) & (one == person) & (scores < figures["threshold"])) for person in people]
            variance = cluster_variance(np.array(misses, np.float64), trials.astype(np.float64))
            assert variance == pytest.approx(figures["fnmr_variance"], rel=1e-9)


def test_a_list_of_all_comparisons_is_as_sure_as_comparing_everybody() -> None:
    images = np.array([3.0, 1.0, 2.0, 4.0])
    people = np.repeat(np.arange(4), images.astype(int))
    left, right = np.nonzero(np.triu(people[:, None] != people[None, :], 1))
    listed = ListedPairing(people[left].astype(np.int32), people[right].astype(np.int32), 4)
    full = FullPairing(images)
    assert (listed.comparisons, listed.subjects, listed.squares) == (full.comparisons, full.subjects, full.squares)
    assert listed.by_subject.tolist() == full.by_subject.tolist()
    weights = np.array([[1.0, 2.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
    assert listed.weighted(weights).tolist() == full.weighted(weights).tolist()
    ends = np.array([0, 1], np.int32), np.array([3, 2], np.int32)
    assert listed.of_pairs(*ends).tolist() == full.of_pairs(*ends).tolist() == [12, 2]


def test_two_groups_that_share_people_are_compared_without_themselves() -> None:
    one, other = np.array([2.0, 1.0, 0.0]), np.array([1.0, 0.0, 3.0])
    pairs = [(i, j) for i, n in enumerate(one) for j, m in enumerate(other) for _ in range(int(n * m)) if i != j]
    left, right = (np.array(ends, np.int32) for ends in zip(*pairs, strict=True))
    full, listed = FullPairing(one, other), ListedPairing(left, right, 3)
    assert (full.comparisons, full.subjects, full.squares) == (listed.comparisons, listed.subjects, listed.squares)
    assert full.by_subject.tolist() == listed.by_subject.tolist()


def test_one_person_who_looks_like_everybody_makes_a_rate_less_sure() -> None:
    pairing = FullPairing(np.ones(100))
    others = np.arange(1, 31, dtype=np.int32)
    of_one = pair_variance(np.zeros(30, np.int32), others, pairing)
    of_many = pair_variance(np.arange(0, 60, 2, dtype=np.int32), np.arange(1, 61, 2, dtype=np.int32), pairing)
    assert of_one > 5 * of_many


def test_no_errors_leave_an_upper_bound_of_about_three_in_the_number() -> None:
    interval = wilson(0, 30_000, 0.95)
    assert interval.low == 0
    assert interval.high == pytest.approx(1.28e-4, rel=0.01)
    assert design_effect(0.0, 0, 30_000) == 1.0


def test_wilson_agrees_with_its_textbook_value() -> None:
    interval = wilson(10, 100, 0.95)
    assert (interval.low, interval.high) == pytest.approx((0.05523, 0.17437), abs=1e-5)


def test_the_more_is_stated_at_once_the_wider_each_interval() -> None:
    assert normal_quantile(0.95) == pytest.approx(1.959964, abs=1e-6)
    assert normal_quantile(0.95, 91) == pytest.approx(NormalDist().inv_cdf(1 - 0.025 / 91))


def test_every_replicate_draws_as_many_people_as_there_are() -> None:
    first, second = (list(subject_weights(50, 20, seed=3)) for _ in range(2))
    assert all(weights.sum() == 50 for weights in first)
    assert [weights.tolist() for weights in first] == [weights.tolist() for weights in second]
    assert first[0].tolist() != first[1].tolist()
