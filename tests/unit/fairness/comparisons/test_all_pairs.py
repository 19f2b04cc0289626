"""Streaming all comparisons gives the same numbers as holding them all, whatever the blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from countenance.errors import InvalidParameter
from countenance.fairness.comparisons import all_pairs as comparisons
from countenance.fairness.comparisons.all_pairs import BINS, Grouping, PairOfGroups, compare_all

EVERYONE = "everyone"


def people(
    subjects: int, images: int, seed: int = 0, dimension: int = 16
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Templates of so many people in no order."""
    generator = np.random.default_rng(seed)
    centres = np.repeat(generator.normal(size=(subjects, dimension)), images, axis=0)
    vectors = centres + 0.3 * generator.normal(size=centres.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    order = generator.permutation(len(vectors))
    return comparisons.exact(vectors.astype(np.float32))[order], np.repeat(np.arange(subjects), images)[order]


def count_from(histogram: NDArray[np.int64], edge: float) -> int:
    """How many score at least an edge."""
    return int(histogram[round((edge + 1) * BINS / 2) :].sum())


def everyone(images: int) -> Grouping:
    return Grouping("", (EVERYONE,), np.zeros(images, np.int32))


def groupings_of(images: int, seed: int = 0) -> list[Grouping]:
    """Everyone, three groups to which not everyone belongs, and two."""
    generator = np.random.default_rng(seed)
    return [
        everyone(images),
        Grouping("hair", ("hair=black", "hair=fair", "hair=red"), generator.integers(-1, 3, images, dtype=np.int32)),
        Grouping("hand", ("hand=left", "hand=right"), generator.integers(0, 2, images, dtype=np.int32)),
    ]


def held(
    templates: NDArray[np.float64], identities: NDArray[np.int64], grouping: Grouping, group: int, other: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """All comparisons of a pair of groups the naive way: scores, highest first, and the images of each."""
    left, right = np.triu_indices(len(templates), 1)
    one, two = grouping.of_image[left], grouping.of_image[right]
    asked = ((one == group) & (two == other)) | ((one == other) & (two == group))
    left, right = (ends[asked & (identities[left] != identities[right])] for ends in (left, right))
    scores = np.array([math.fsum(templates[i] * templates[j]) for i, j in zip(left, right, strict=True)])
    order = np.lexsort((right, left, -scores))
    return scores[order], left[order], right[order]


def told(pairs: Sequence[PairOfGroups]) -> list[tuple[object, ...]]:
    """All that a result says, for comparing two."""
    return [
        (
            pair.grouping,
            pair.group,
            pair.other,
            pair.comparisons,
            pair.histogram.tolist(),
            pair.tail.floor,
            pair.tail.scores.tolist(),
            pair.tail.left.tolist(),
            pair.tail.right.tolist(),
        )
        for pair in pairs
    ]


def test_every_pair_of_groups_has_all_its_comparisons_between_different_people() -> None:
    templates, identities = people(20, 3)
    groupings = groupings_of(60)
    found = {(pair.grouping, pair.group, pair.other): pair for pair in compare_all(templates, identities, groupings)}
    assert len(found) == 1 + 6 + 3
    assert found["", EVERYONE, EVERYONE].comparisons == 60 * 59 / 2 - 20 * 3
    for grouping in groupings:
        for group, name in enumerate(grouping.groups):
            for other in range(group, len(grouping.groups)):
                pair = found[grouping.name, name, grouping.groups[other]]
                scores, left, right = held(templates, identities, grouping, group, other)
                assert pair.comparisons == len(scores) > 0
                assert pair.histogram.tolist() == np.histogram(scores, BINS, (-1, 1))[0].tolist()
                assert pair.tail.scores.tolist() == scores.tolist()
                assert pair.tail.left.tolist() == left.tolist()
                assert pair.tail.right.tolist() == right.tolist()


def test_a_tail_is_the_share_that_was_asked_for_and_what_scores_enough() -> None:
    templates, identities = people(150, 2)
    grouping = groupings_of(300)[1]
    short = compare_all(templates, identities, [grouping], tail_share=0.1, min_tail=20, max_tail=300)
    long = compare_all(
        templates, identities, [grouping], tail_share=0.1, min_tail=20, max_tail=300, at_least_from=0.4321
    )
    for pair, more in zip(short, long, strict=True):
        scores, *_ = held(templates, identities, grouping, *map(grouping.groups.index, (pair.group, pair.other)))
        wanted = min(300, max(20, int(0.1 * len(scores))))
        assert len(pair.tail.scores) <= wanted < np.sum(scores >= pair.tail.floor - 2 / BINS)
        assert pair.tail.scores.tolist() == scores[scores >= pair.tail.floor].tolist()
        assert more.tail.floor <= 0.4321
        assert more.tail.scores.tolist() == scores[scores >= more.tail.floor].tolist()


def test_a_tail_whose_floor_the_sample_put_too_high_is_complete_all_the_same() -> None:
    """The sample takes every second image, and these are more alike than the others."""
    images = 2 * comparisons.PILOT // 8
    vectors = np.random.default_rng(0).normal(size=(images, 16))
    vectors[::2] += 1.0
    templates = comparisons.exact(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    told: list[tuple[int, int]] = []
    (found,) = compare_all(
        templates,
        np.arange(images),
        [everyone(images)],
        tail_share=0.5,
        progress=lambda done, of: told.append((done, of)),
    )
    scores = np.sort((templates @ templates.T)[np.triu_indices(images, 1)])[::-1]
    assert found.tail.scores.tolist() == scores[scores >= found.tail.floor].tolist()
    assert 0.499 * len(scores) < len(found.tail.scores) <= 0.5 * len(scores)
    assert told.count((len(scores), len(scores))) == 2, "there was a second round"


def test_the_same_picture_under_many_names_is_found() -> None:
    templates, _ = people(300, 1)
    templates[:100] = templates[0]
    (found,) = compare_all(templates, np.arange(300), [everyone(300)], tail_share=0, min_tail=10)
    assert len(found.tail.scores) == found.histogram[-1] == 100 * 99 / 2


def test_mated_comparisons_are_those_within_one_person() -> None:
    templates, subjects = people(12, 3)
    tail = comparisons.mated_scores(templates, subjects)
    left, right = np.nonzero(np.triu(subjects[:, None] == subjects[None], 1))
    scores = np.array([math.fsum(templates[i] * templates[j]) for i, j in zip(left, right, strict=True)])
    assert sorted(zip(tail.left.tolist(), tail.right.tolist(), tail.scores.tolist(), strict=True)) == sorted(
        zip(left.tolist(), right.tolist(), scores.tolist(), strict=True)
    )
    assert tail.scores.tolist() == sorted(scores.tolist(), reverse=True)


def test_one_person_with_all_the_images_has_mated_comparisons_only() -> None:
    templates, subjects = people(1, 700)
    assert len(comparisons.mated_scores(templates, subjects).scores) == 700 * 699 / 2
    (pair,) = compare_all(templates, subjects, [everyone(700)])
    assert (pair.comparisons, pair.histogram.any(), len(pair.tail.scores)) == (0, False, 0)


@given(st.floats(-0.99, 0.99))
def test_at_the_edge_of_a_bin_the_count_is_exact(threshold: float) -> None:
    templates, identities = people(20, 2)
    (pair,) = compare_all(templates, identities, [everyone(40)])
    edge = comparisons.round_up(threshold)
    assert threshold <= edge <= threshold + 2 / BINS
    assert count_from(pair.histogram, edge) == np.sum(pair.tail.scores >= edge)


@pytest.mark.parametrize("at_most", [0, 1, 10, 100, 10**6])
def test_the_floor_of_a_tail_is_the_lowest_that_keeps_it_small(at_most: int) -> None:
    templates, identities = people(20, 1)
    histogram = compare_all(templates, identities, [everyone(20)])[0].histogram
    floor = comparisons.floor_of_tail(histogram, at_most)
    assert count_from(histogram, floor) <= at_most
    if floor > -1:
        assert count_from(histogram, floor - 2 / BINS) > at_most


def test_templates_that_are_no_unit_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="unit"):
        comparisons.exact(np.ones((2, 4), np.float32))


def test_more_pairs_of_groups_than_memory_holds_are_refused() -> None:
    templates, identities = people(200, 1)
    each = Grouping("name", tuple(f"name={number}" for number in range(200)), np.arange(200, dtype=np.int32))
    with pytest.raises(InvalidParameter, match="20,100 pairs of groups"):
        compare_all(templates, identities, [each])


def test_longer_tails_than_memory_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparisons, "ALL_TAILS", 1000)
    templates, identities = people(200, 1)
    with pytest.raises(InvalidParameter, match="ask from a higher score"):
        compare_all(templates, identities, [everyone(200)], at_least_from=-0.5)
    found = compare_all(templates, identities, groupings_of(200))
    assert 900 < sum(len(pair.tail.scores) for pair in found) <= 1000, "tails of a share are cut"
    templates[:] = templates[0]
    with pytest.raises(InvalidParameter, match="look for duplicates"):
        compare_all(templates, identities, [everyone(200)])


def test_images_of_no_group_are_compared_with_nobody() -> None:
    templates, identities = people(40, 1)
    nobody = Grouping("hat", ("hat=yes",), np.full(40, -1, np.int32))
    (pair,) = compare_all(templates, identities, [nobody])
    assert (pair.comparisons, len(pair.tail.scores)) == (0, 0)


def test_rounding_moves_a_score_by_less_than_float32_would() -> None:
    vectors = np.random.default_rng(0).normal(size=(40, 512))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    templates = comparisons.exact(vectors)
    assert np.abs(templates @ templates.T - vectors @ vectors.T).max() < 2e-7


def test_opposite_and_equal_images_are_in_the_first_and_the_last_bin() -> None:
    vector = np.random.default_rng(1).normal(size=512)
    vector /= np.linalg.norm(vector)
    templates = comparisons.exact(np.array([vector, -vector, vector]))
    (pair,) = compare_all(templates, np.arange(3), [everyone(3)])
    assert (pair.histogram[0], pair.histogram[-1], pair.comparisons) == (2, 1, 3)
