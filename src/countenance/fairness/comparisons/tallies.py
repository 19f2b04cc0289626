"""The sum of what stripes gave, so far or in all."""

from __future__ import annotations

from dataclasses import dataclass, field
from multiprocessing.pool import ThreadPool

import numpy as np
from numpy.typing import NDArray

from countenance.fairness.comparisons.cells import Cells
from countenance.fairness.comparisons.stripes import BINS, Part


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """The comparisons that score at least `floor`, in full, highest first.

    `scores` float64 (m,); `left`, `right` int32 (m,): positions of the two templates, left < right.
    """

    floor: float
    scores: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]


@dataclass(slots=True, eq=False)
class Tally:
    """`counts` int64 (pairs, BINS): the histogram of each pair of groups; `done`: the stripes that are in it."""

    counts: NDArray[np.int64]
    done: set[int] = field(default_factory=set)
    _found: list[tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]]] = field(default_factory=list)

    @classmethod
    def empty(cls, pairs: int) -> Tally:
        """Of nothing yet."""
        return cls(np.zeros((pairs, BINS), np.int64))

    @classmethod
    def of(
        cls,
        counts: NDArray[np.int64],
        done: NDArray[np.int64],
        scores: NDArray[np.float64],
        left: NDArray[np.int32],
        right: NDArray[np.int32],
    ) -> Tally:
        """As it was kept."""
        return cls(counts, set(done.tolist()), [(scores, left, right)])

    def add(self, part: Part) -> None:
        """Count a stripe that is not in it yet."""
        self.counts[part.pairs] += part.counts
        self.done.add(part.stripe)
        self._found.append((part.scores, part.left, part.right))

    def tails(self, cells: Cells, floors: NDArray[np.int64], workers: int) -> dict[int, Tail]:
        """The tail of each pair of groups from its floor, a bin, on; none of pairs whose floor is BINS."""
        scores, left, right = self._highest_first()
        limits = np.where(floors < BINS, floors * (2 / BINS) - 1, np.inf)
        of_cells = cells.of_image[left] * len(cells.sizes) + cells.of_image[right]

        def of_grouping(number: int) -> list[tuple[int, Tail]]:
            pairs = cells.pair_of[number].ravel()[of_cells]
            members = np.flatnonzero(scores >= np.append(limits, np.inf)[pairs])
            members = members[np.argsort(pairs[members].astype(np.uint16), kind="stable")]
            own_pairs, own_scores, own_left, own_right = pairs[members], scores[members], left[members], right[members]
            found = []
            for pair in cells.pairs[number]:
                if floors[pair] < BINS:
                    own = slice(*np.searchsorted(own_pairs, [pair, pair + 1]))
                    found.append((pair, Tail(float(limits[pair]), own_scores[own], own_left[own], own_right[own])))
            return found

        with ThreadPool(workers) as threads:
            return {pair: tail for tails in threads.map(of_grouping, range(len(cells.pairs))) for pair, tail in tails}

    def _highest_first(self) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]]:
        """What was found, kept in this order so that it is not held twice."""
        scores, left, right = self.found
        order = highest_first(scores, left, right)
        self._found[:] = [(scores[order], left[order], right[order])]
        return self._found[0]

    @property
    def found(self) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]]:
        """The comparisons in full so far, in no order: scores, left, right."""
        scores = np.concatenate([np.empty(0), *(one for one, _, _ in self._found)])
        left = np.concatenate([np.empty(0, np.int32), *(one for _, one, _ in self._found)])
        right = np.concatenate([np.empty(0, np.int32), *(one for _, _, one in self._found)])
        self._found[:] = [(scores, left, right)]
        return scores, left, right


def highest_first(scores: NDArray[np.float64], left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.intp]:
    """The order by falling score; of equal ones, which are rare, by `left`, then `right`."""
    order = np.argsort(-scores)
    ranked = scores[order]
    equal = ranked[1:] == ranked[:-1]
    places = np.flatnonzero(np.append(equal, False) | np.append(False, equal)) if len(scores) else np.empty(0, np.intp)
    tied = order[places]
    order[places] = tied[np.lexsort((right[tied], left[tied], -scores[tied]))]
    return order
