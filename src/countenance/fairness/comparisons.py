"""All comparisons of a set of templates, streamed: nothing of the size of the comparisons is ever held.

Scores are cosines. Templates are first rounded to multiples of 2^-24 (float32's own resolution at 1), so that every
product is a multiple of 2^-48 and every partial sum stays below 2^53 of them: the float64 matrix product is exact,
and the result does not depend on block sizes, threads, or the order in which anything is added.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# 2048 x 2048 float64 scores are 32 MiB.
DEFAULT_BLOCK = 2048

RESOLUTION = 2.0**-24

# Histogram bins over [-1, 1]; a bin is 2^-13 = 0.00012 wide, and its edges are exact in float64.
BINS = 2**14


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """The comparisons that score at least `floor`, in full, highest first.

    `scores` float64 (m,); `left`, `right` int64 (m,): positions of the two templates, left < right.
    """

    floor: float
    scores: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]


def exact(templates: NDArray[np.floating]) -> NDArray[np.float64]:
    """Unit-norm templates (n, d), n >= 1, rounded so that their float64 dot products carry no error.

    Raises `ValueError` for rows that are not of unit norm within 1e-3.
    """
    norms = np.linalg.norm(templates, axis=1)
    if not np.all(np.abs(norms - 1) < 1e-3):
        raise ValueError("Templates are unit vectors.")
    units = templates.astype(np.float64) / norms.astype(np.float64)[:, None]
    rounded: NDArray[np.float64] = np.round(units / RESOLUTION) * RESOLUTION
    return rounded


def non_mated_histogram(
    templates: NDArray[np.float64], subjects: NDArray[np.int64], *, block: int = DEFAULT_BLOCK
) -> NDArray[np.int64]:
    """Counts (BINS,) of the scores of all comparisons between different subjects, bins ascending over [-1, 1].

    `templates` (n, d) from `exact`, `subjects` (n,).
    """
    counts = np.zeros(BINS, dtype=np.int64)
    for _, _, scores, pairs in _blocks(templates, subjects, mated=False, block=block):
        positions = np.floor((scores[pairs] + 1) * (BINS / 2)).astype(np.int64)
        counts += np.bincount(np.clip(positions, 0, BINS - 1), minlength=BINS)
    return counts


def floor_of_tail(histogram: NDArray[np.int64], at_most: int) -> float:
    """The lowest bin edge at which no more than `at_most` comparisons score as much or more."""
    above = np.cumsum(histogram[::-1])[::-1]
    first = int(np.searchsorted(-above, -at_most))
    return -1 + first * (2 / BINS)


def count_from(histogram: NDArray[np.int64], edge: float) -> int:
    """How many comparisons score at least `edge`. Raises `ValueError` where that is not the lower edge of a bin."""
    position = (edge + 1) * (BINS / 2)
    if position != int(position):
        raise ValueError("Inside a bin of the histogram the count is not known.")
    return int(histogram[int(position) :].sum())


def round_up(cosine: float) -> float:
    """The lowest bin edge that is at least `cosine`: there, a histogram knows counts exactly."""
    return math.ceil(cosine * (BINS / 2)) / (BINS / 2)


def non_mated_tail(
    templates: NDArray[np.float64], subjects: NDArray[np.int64], floor: float, *, block: int = DEFAULT_BLOCK
) -> Tail:
    """Every comparison between different subjects that scores at least `floor`, exactly."""
    return _collect(templates, subjects, floor, mated=False, block=block)


def mated_scores(templates: NDArray[np.float64], subjects: NDArray[np.int64], *, block: int = DEFAULT_BLOCK) -> Tail:
    """Every comparison of two templates of one subject."""
    return _collect(templates, subjects, -np.inf, mated=True, block=block)


def _collect(
    templates: NDArray[np.float64], subjects: NDArray[np.int64], floor: float, *, mated: bool, block: int
) -> Tail:
    scores: list[NDArray[np.float64]] = [np.empty(0)]
    left: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    right: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
    for row, column, products, pairs in _blocks(templates, subjects, mated=mated, block=block):
        i, j = np.nonzero(pairs & (products >= floor))
        scores.append(products[i, j])
        left.append(i + row)
        right.append(j + column)
    all_scores, all_left, all_right = np.concatenate(scores), np.concatenate(left), np.concatenate(right)
    order = np.lexsort((all_right, all_left, -all_scores))
    return Tail(floor, all_scores[order], all_left[order], all_right[order])


def _blocks(
    templates: NDArray[np.float64], subjects: NDArray[np.int64], *, mated: bool, block: int
) -> Iterator[tuple[int, int, NDArray[np.float64], NDArray[np.bool_]]]:
    """Blocks of the upper triangle: first row, first column, scores, and which of them are asked for."""
    for row in range(0, len(templates), block):
        for column in range(row, len(templates), block):
            scores = templates[row : row + block] @ templates[column : column + block].T
            same = subjects[row : row + block, None] == subjects[None, column : column + block]
            pairs = same if mated else ~same
            yield row, column, scores, np.triu(pairs, 1) if row == column else pairs
