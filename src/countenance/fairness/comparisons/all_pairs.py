"""All comparisons of a set of templates, streamed: nothing of the size of the comparisons is ever held.

Scores are cosines. Templates are first rounded to multiples of 2^-24 (float32's own resolution at 1), so that every
product is a multiple of 2^-48 and every partial sum stays below 2^53 of them: the float64 matrix product is exact,
and the result does not depend on block sizes, threads, or the order in which anything is added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from countenance.errors import InvalidParameter
from countenance.fairness.comparisons.cells import Cells, Grouping
from countenance.fairness.comparisons.checkpoints import Checkpoint, digest_of
from countenance.fairness.comparisons.stripes import BINS, DEFAULT_BLOCK, HEIGHT, Part, Stripes
from countenance.fairness.comparisons.tallies import Tail, Tally, highest_first

__all__ = [
    "BINS",
    "Grouping",
    "PairOfGroups",
    "Pool",
    "Tail",
    "compare_all",
    "exact",
    "floor_of_tail",
    "mated_scores",
    "round_up",
]

RESOLUTION = 2.0**-24

# Comparisons given in full of each pair of groups: its highest 2 %, where a tail is fitted; of small groups more, so
# that all rates of interest lie in it; never more than 2 million.
TAIL_SHARE = 0.02
MIN_TAIL = 20_000
MAX_TAIL = 2_000_000

# All tails together: 400 MB. Where there are so many pairs of groups that they would be more, the longest are cut.
ALL_TAILS = 25_000_000

# Images in the sample from which the tails' floors are guessed, and so many of each cell if it has them.
PILOT = 8192
PILOT_OF_CELL = 32

# Images that are looked at together for others of the same person.
MATED_ROWS = 256
MATED_COLUMNS = 4096


@dataclass(frozen=True, slots=True, eq=False)
class PairOfGroups:
    """All comparisons of different people of whom one is in `group` and one in `other`, which may be the same.

    `histogram` int64 (BINS,): how many score in each bin, ascending over [-1, 1]; a score of 1 is in the last.
    """

    grouping: str
    group: str
    other: str
    comparisons: int
    histogram: NDArray[np.int64]
    tail: Tail


class Pool(Protocol):
    """Who does the work, beside `multiprocessing.pool.ThreadPool`."""

    def imap_unordered(self, function: Callable[[int], Part], items: Iterable[int]) -> Iterator[Part]:
        """The function's results, in any order."""


def quietly(_done: int, _all: int) -> None:
    """Tells nobody."""


def exact(templates: NDArray[np.floating]) -> NDArray[np.float64]:
    """Unit-norm templates (n, d), n >= 1, rounded so that their float64 dot products carry no error.

    Raises `ValueError` for rows that are not of unit norm within 1e-3.
    """
    norms = np.linalg.norm(templates, axis=1)
    if not np.all(np.abs(norms - 1) < 1e-3):
        raise ValueError("Templates are unit vectors.")
    rounded = templates.astype(np.float64)
    rounded /= norms.astype(np.float64)[:, None]
    rounded /= RESOLUTION
    np.round(rounded, out=rounded)
    rounded *= RESOLUTION
    return rounded


def compare_all(
    templates: NDArray[np.float64],
    identities: NDArray[np.int64],
    groupings: Sequence[Grouping],
    *,
    tail_share: float = TAIL_SHARE,
    min_tail: int = MIN_TAIL,
    max_tail: int = MAX_TAIL,
    at_least_from: float | None = None,
    workers: int = 1,
    block: int = DEFAULT_BLOCK,
    progress: Callable[[int, int], None] = quietly,
    checkpoint: Path | None = None,
    pool: Pool | None = None,
) -> list[PairOfGroups]:
    """Every comparison between different identities, by pair of groups of every grouping.

    `templates` (n, d) from `exact`, `identities` (n,). The result has, grouping by grouping, all pairs of groups, also
    those without a comparison; it is a function of these and of the tails' parameters alone. A pair's tail is
    `tail_share` of its comparisons, between `min_tail` and `max_tail` of them, less where all tails together would
    pass ALL_TAILS; and every comparison in the last bin, whose images are all but the same; and every one that scores
    `at_least_from`, where that is given.

    `workers` threads do the work, `block` columns at a time, or `pool` does. `progress` is told how many comparisons
    are done, and of how many; where a tail's floor was guessed too high, it hears of a second round. `checkpoint` names
    a file that a later call with the same arguments goes on from; it is removed in the end.

    Raises `InvalidParameter` where what is asked for cannot be held in memory, and for a file that is no checkpoint of
    these comparisons.
    """
    cells = Cells.of(groupings)
    pairs = cells.pairs[-1].stop
    lowest = BINS - 1 if at_least_from is None else _bin(at_least_from)

    def wanted(comparisons: NDArray[np.int64]) -> NDArray[np.int64]:
        """The lengths of the tails of pairs that have so many comparisons."""
        share = np.clip((tail_share * comparisons).astype(np.int64), min_tail, max_tail)
        return _together(np.minimum(share, comparisons), ALL_TAILS)

    def run(stripes: Stripes, tell: Callable[[int, int], None] = quietly, kept: Checkpoint | None = None) -> Tally:
        """All stripes, or those that are not done yet."""
        tally = Tally.empty(pairs) if kept is None else kept.read(pairs)
        sizes = stripes.comparisons
        with threadpool_limits(1, user_api="blas"), ThreadPool(workers) as threads:
            for part in (pool or threads).imap_unordered(stripes, sorted({*range(stripes.count)} - tally.done)):
                tally.add(part)
                if kept is not None:
                    kept.keep(tally)
                tell(int(sizes[list(tally.done)].sum()), int(sizes.sum()))
        return tally

    pilot = cells.sample(max(PILOT // 8, min(PILOT, len(cells.order) // 8)), PILOT_OF_CELL)
    weights = np.maximum(1, np.rint(cells.meetings() / np.maximum(1, pilot.meetings()))).astype(np.int64)
    nothing = np.full(pairs, BINS)
    guess = run(_stripes(templates, identities, pilot, nothing, weights=weights, block=block))
    floors = np.minimum(_guessed(guess.counts, wanted(cells.numbers()), cells, pilot), lowest)
    _refuse_more_than(4 * ALL_TAILS, guess.counts, floors, at_least_from)

    whole = _stripes(templates, identities, cells, floors, weights=np.ones_like(weights), block=block)
    kept = None
    if checkpoint is not None:
        labels = [grouping.of_image for grouping in groupings]
        kept = Checkpoint(checkpoint, digest_of([templates, identities, *labels, floors, np.array([BINS, HEIGHT])]))
    tally = run(whole, progress, kept)
    with threadpool_limits(1, user_api="blas"):
        _subtract_mated(tally.counts, templates, identities, cells)
    final = np.minimum(_floors(tally.counts, wanted(tally.counts.sum(axis=1))), lowest)
    _refuse_more_than(2 * ALL_TAILS, tally.counts, final, at_least_from)
    missed = final < floors
    tails = tally.tails(cells, np.where(missed, BINS, final), workers)
    if missed.any():
        asked = np.append(missed, False)[whole.pair_of]
        rest = replace(whole, pair_of=np.where(asked, whole.pair_of, -1), floors=np.where(missed, final, BINS))
        tails |= run(rest, progress).tails(cells, rest.floors, workers)
    if kept is not None:
        kept.remove()
    return list(_pairs(groupings, tally, tails))


def _stripes(
    templates: NDArray[np.float64],
    identities: NDArray[np.int64],
    cells: Cells,
    floors: NDArray[np.int64],
    *,
    weights: NDArray[np.int64],
    block: int,
) -> Stripes:
    rows = np.ones((len(cells.order), templates.shape[1] + 1))
    rows[:, :-1] = templates[cells.order]
    return Stripes(
        rows=rows,
        images=cells.order.astype(np.int32),
        identities=identities[cells.order],
        edges=cells.edges,
        pair_of=cells.pair_of,
        floors=floors,
        weights=weights,
        block=block,
    )


def _together(lengths: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """The lengths, the longest of them cut to the greatest common length with which their sum stays in the limit."""
    ascending = np.sort(lengths)
    remaining = len(ascending) - np.arange(len(ascending))
    before = np.cumsum(ascending) - ascending
    fits = before + ascending * remaining <= limit
    if fits.all():
        return lengths
    first = int(np.argmin(fits))
    cut: NDArray[np.int64] = np.minimum(lengths, (limit - before[first]) // remaining[first])
    return cut


def _guessed(counts: NDArray[np.int64], wanted: NDArray[np.int64], cells: Cells, pilot: Cells) -> NDArray[np.int64]:
    """Floors from a sample's weighted histograms, low enough that few tails turn out shorter than wanted."""
    weight = cells.numbers() / np.maximum(1, pilot.numbers())
    generous = 1.25 * wanted + 4 * np.sqrt(wanted * weight)
    return _floors(counts, np.rint(generous).astype(np.int64))


def _floors(counts: NDArray[np.int64], at_most: NDArray[np.int64]) -> NDArray[np.int64]:
    """As `floor_of_tail`, bins (pairs,)."""
    bins = [_bin_of_tail(histogram, number) for histogram, number in zip(counts, at_most, strict=True)]
    return np.array(bins, dtype=np.int64)


def _refuse_more_than(
    limit: int, counts: NDArray[np.int64], floors: NDArray[np.int64], at_least_from: float | None
) -> None:
    if sum(int(histogram[floor:].sum()) for histogram, floor in zip(counts, floors, strict=True)) > limit:
        raise InvalidParameter(
            "Too many images of different people are the same: look for duplicates first."
            if at_least_from is None
            else f"Too many comparisons score {at_least_from} or more to list them all: ask from a higher score."
        )


def _subtract_mated(
    counts: NDArray[np.int64],
    templates: NDArray[np.float64],
    identities: NDArray[np.int64],
    cells: Cells,
) -> None:
    for left, right, scores in _mated(templates, identities):
        bins = np.clip((scores + 1) * (BINS / 2), 0, BINS - 1).astype(np.int64)
        cell, other = cells.of_image[left], cells.of_image[right]
        for pair_of in cells.pair_of:
            pairs = np.where((cell >= 0) & (other >= 0), pair_of[cell, other], -1)
            np.subtract.at(counts, (pairs[pairs >= 0], bins[pairs >= 0]), 1)


def _pairs(groupings: Sequence[Grouping], tally: Tally, tails: dict[int, Tail]) -> Iterator[PairOfGroups]:
    number = 0
    for grouping in groupings:
        for group, other in combinations_with_replacement(grouping.groups, 2):
            histogram = tally.counts[number]
            yield PairOfGroups(grouping.name, group, other, int(histogram.sum()), histogram, tails[number])
            number += 1


def mated_scores(templates: NDArray[np.float64], subjects: NDArray[np.int64]) -> Tail:
    """Every comparison of two templates of one subject: `templates` (n, d) from `exact`, `subjects` (n,)."""
    found = [*_mated(templates, subjects)]
    left = np.concatenate([np.empty(0, np.int32), *(one for one, _, _ in found)])
    right = np.concatenate([np.empty(0, np.int32), *(one for _, one, _ in found)])
    scores = np.concatenate([np.empty(0), *(one for _, _, one in found)])
    order = highest_first(scores, left, right)
    return Tail(-math.inf, scores[order], left[order], right[order])


def _mated(
    templates: NDArray[np.float64], subjects: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]]:
    """Left < right and scores of all pairs of templates of one subject, some at a time."""
    order = np.argsort(subjects, kind="stable").astype(np.int32)
    ranked = subjects[order]
    for start in range(0, len(order), MATED_ROWS):
        rows = slice(start, start + MATED_ROWS)
        end = int(np.searchsorted(ranked, ranked[rows][-1], side="right"))
        for first in range(start, end, MATED_COLUMNS):
            columns = slice(first, min(end, first + MATED_COLUMNS))
            same = np.triu(ranked[rows, None] == ranked[None, columns], start - first + 1)
            i, j = np.nonzero(same)
            if len(i):
                scores = templates[order[rows]] @ templates[order[columns]].T
                yield order[rows][i], order[columns][j], scores[i, j]


def _bin(score: float) -> int:
    return min(BINS - 1, max(0, math.floor((score + 1) * (BINS / 2))))


def _bin_of_tail(histogram: NDArray[np.int64], at_most: int) -> int:
    above = np.cumsum(histogram[::-1])[::-1]
    return int(np.searchsorted(-above, -at_most))


def floor_of_tail(histogram: NDArray[np.int64], at_most: int) -> float:
    """The lowest bin edge at which no more than `at_most` comparisons score as much or more."""
    return -1 + _bin_of_tail(histogram, at_most) * (2 / BINS)


def round_up(cosine: float) -> float:
    """The lowest bin edge that is at least `cosine`: from there on a histogram knows the count exactly."""
    return math.ceil(cosine * (BINS / 2)) / (BINS / 2)
