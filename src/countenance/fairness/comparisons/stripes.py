"""The comparisons of some rows with all that follow: the unit of work that threads, processes or machines share.

Images are sorted by *cell*, the combination of groups that they belong to, so that every rectangle of a matrix product
belongs to one pair of groups of every grouping. Rows carry a column of ones beside the template; with one side scaled
by BINS / 2 the product is directly the position in the histogram, and as exact as the templates are.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

# Histogram bins over [-1, 1]; a bin is 2^-13 = 0.00012 wide, and its edges are exact in float64.
BINS = 2**14

# Rows of a stripe. With 100,000 images that is a hundredth of the work, and no product is so thin that it is slow.
HEIGHT = 1024

# Columns of a product: 1024 x 1024 float64 are 8 MiB.
DEFAULT_BLOCK = 1024

# Behind the bin of the scores of 1: where a comparison goes that is none, or was counted in another stripe.
_NOWHERE = BINS + 1


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What the comparisons of one stripe gave.

    `pairs` int64 (p,), the pairs of groups that occur; `counts` int64 (p, BINS), their histograms. Of the comparisons
    that are asked for in full, `scores` float64 (m,), `left` and `right` int32 (m,), the positions of the images.
    """

    stripe: int
    pairs: NDArray[np.int64]
    counts: NDArray[np.int64]
    scores: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Stripes:
    """Called with the number of a stripe, compares its rows with each other and with all rows after it.

    `rows` float64 (n, d + 1): templates from `comparisons.exact`, sorted by cell, and a column of ones; `images` int32
    (n,): whose rows these are; `identities` int64 (n,): comparisons within one are counted but never given in full;
    `edges`: the first row of each cell, and n; `pair_of` int32 (groupings, cells, cells): the number of the pair of
    groups, -1 for none; `floors` int64 (pairs,): the lowest bin that is asked for in full; `weights` int64 (cells,
    cells): how often a comparison counts.
    """

    rows: NDArray[np.float64]
    images: NDArray[np.int32]
    identities: NDArray[np.int64]
    edges: NDArray[np.int64]
    pair_of: NDArray[np.int32]
    floors: NDArray[np.int64]
    weights: NDArray[np.int64]
    block: int = DEFAULT_BLOCK

    @property
    def count(self) -> int:
        """How many stripes there are."""
        return -(-len(self.rows) // HEIGHT)

    @property
    def comparisons(self) -> NDArray[np.int64]:
        """How many comparisons each stripe has, of one person or of two, (count,)."""
        starts = np.arange(self.count, dtype=np.int64) * HEIGHT
        heights = np.minimum(HEIGHT, len(self.rows) - starts)
        sizes: NDArray[np.int64] = heights * (len(self.rows) - starts) - heights * (heights + 1) // 2
        return sizes

    def __call__(self, stripe: int) -> Part:
        """The histograms and the highest scores of one stripe."""
        start, stop = stripe * HEIGHT, min((stripe + 1) * HEIGHT, len(self.rows))
        scaled = self.rows[start:stop] * (BINS / 2)
        products = np.empty((stop - start, min(self.block, len(self.rows) - start)))
        bins = np.empty(products.size, dtype=np.intp)
        counts: dict[int, NDArray[np.int64]] = {}
        found: list[tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]] = []
        for first in range(start, len(self.rows), self.block):
            last = min(first + self.block, len(self.rows))
            rectangles = self._rectangles(start, stop, first, last)
            if not rectangles:
                continue
            positions = products[:, : last - first]
            np.matmul(scaled, self.rows[first:last].T, out=positions)
            for row in range(max(start, first), stop):
                positions[row - start, : row + 1 - first] = _NOWHERE
            for top, bottom, near, far, pairs, weight in rectangles:
                rectangle = positions[top - start : bottom - start, near - first : far - first]
                histogram = _histogram(rectangle, bins)
                for pair in pairs:
                    counts.setdefault(pair, np.zeros(BINS, np.int64))[:] += weight * histogram
                floor = min(self.floors[pair] for pair in pairs)
                if histogram[floor:].any():
                    i, j = np.divmod(np.flatnonzero(rectangle >= floor), far - near)
                    real = (i + top < j + near) & (self.identities[i + top] != self.identities[j + near])
                    i, j = i[real], j[real]
                    found.append((rectangle[i, j], i + top, j + near))
        return self._part(stripe, counts, found)

    def _rectangles(
        self, start: int, stop: int, first: int, last: int
    ) -> list[tuple[int, int, int, int, list[int], int]]:
        """Of rows start:stop and columns first:last, those that belong to any pair: rows, columns, pairs, weight."""
        found = []
        for a, top, bottom in self._spans(start, stop):
            for b, near, far in self._spans(first, last):
                pairs = [int(pair) for pair in self.pair_of[:, a, b] if pair >= 0]
                if pairs and far > top:
                    found.append((top, bottom, near, far, pairs, int(self.weights[a, b])))
        return found

    def _spans(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """The cells of some rows: number, first row, last row + 1."""
        first, last = np.searchsorted(self.edges, [start, stop - 1], side="right") - 1
        cuts = [start, *self.edges[first + 1 : last + 1].tolist(), stop]
        return [(int(first) + number, top, bottom) for number, (top, bottom) in enumerate(pairwise(cuts))]

    def _part(
        self,
        stripe: int,
        counts: dict[int, NDArray[np.int64]],
        found: list[tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]],
    ) -> Part:
        positions = np.concatenate([np.empty(0), *(one for one, _, _ in found)])
        i = self.images[np.concatenate([np.empty(0, np.intp), *(one for _, one, _ in found)])]
        j = self.images[np.concatenate([np.empty(0, np.intp), *(one for _, _, one in found)])]
        return Part(
            stripe=stripe,
            pairs=np.fromiter(counts, np.int64, len(counts)),
            counts=np.array(list(counts.values()), np.int64).reshape(-1, BINS),
            scores=positions / (BINS / 2) - 1,
            left=np.minimum(i, j),
            right=np.maximum(i, j),
        )


def _histogram(positions: NDArray[np.float64], bins: NDArray[np.intp]) -> NDArray[np.int64]:
    """Counts (BINS,) of a rectangle of positions; `bins` is room for as many numbers."""
    room = bins[: positions.size]
    np.copyto(room.reshape(positions.shape), positions, casting="unsafe")
    counts = np.bincount(room, minlength=_NOWHERE + 1)
    counts[BINS - 1] += counts[BINS]
    return counts[:BINS]
