"""Images sorted by what groups they belong to, and the numbers of the pairs of groups that this makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from countenance.errors import InvalidParameter

# A pair's histogram is 128 KiB: this many are 1 GiB.
MAX_PAIRS = 8192


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """Which group each image belongs to: `of_image` int32 (n,), an index into `groups`, -1 for none of them."""

    name: str
    groups: tuple[str, ...]
    of_image: NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The combinations of groups that occur.

    `order` int64 (m,): positions of the images that belong to any group, sorted by cell; `edges` int64 (cells + 1,):
    where in `order` each cell begins, and m; `of_image` int32 (n,): the cell of every image, -1 for those in no group;
    `pairs`: for each grouping the numbers of its pairs of groups, which count on from one grouping to the next;
    `pair_of` int32 (groupings, cells, cells): the number of the pair of groups that two cells are in, -1 for none.
    """

    order: NDArray[np.int64]
    edges: NDArray[np.int64]
    of_image: NDArray[np.int32]
    pairs: tuple[range, ...]
    pair_of: NDArray[np.int32]

    @classmethod
    def of(cls, groupings: Sequence[Grouping]) -> Cells:
        """Raises `InvalidParameter` where there are more than MAX_PAIRS pairs of groups."""
        sizes = [len(grouping.groups) for grouping in groupings]
        ends = np.cumsum([size * (size + 1) // 2 for size in sizes]).tolist()
        if ends[-1] > MAX_PAIRS:
            raise InvalidParameter(
                f"These groupings make {ends[-1]:,} pairs of groups, and no more than {MAX_PAIRS:,} can be compared at "
                "once: leave a grouping out, or make its groups fewer and larger."
            )
        labels = np.stack([grouping.of_image for grouping in groupings], axis=1)
        # Sorted, so that the cell of those in no group is the first.
        cells, places = np.unique(labels, axis=0, return_inverse=True)
        outside = int(len(cells) > 0 and bool((cells[0] < 0).all()))
        of_image = (places - outside).astype(np.int32)
        cells = cells[outside:]
        order = np.argsort(of_image, kind="stable")
        order = order[np.count_nonzero(of_image < 0) :]
        pairs = tuple(range(start, end) for start, end in zip([0, *ends], ends, strict=False))
        return cls(
            order=order.astype(np.int64),
            edges=np.searchsorted(of_image[order], np.arange(len(cells) + 1)),
            of_image=of_image,
            pairs=pairs,
            pair_of=np.stack(
                [
                    _numbered(size, numbers.start)[np.ix_(groups, groups)]
                    for size, numbers, groups in zip(sizes, pairs, cells.T, strict=True)
                ]
            ),
        )

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many images each cell has."""
        return np.diff(self.edges)

    def sample(self, images: int, at_least: int) -> Cells:
        """About so many images, evenly from every cell, and at least so many of each where it has them."""
        share = np.ceil(self.sizes * (images / max(1, len(self.order)))).astype(np.int64)
        sizes = np.minimum(self.sizes, np.maximum(share, at_least))
        chosen = [
            self.order[start + np.arange(taken) * size // taken]
            for start, size, taken in zip(self.edges, self.sizes, sizes, strict=False)
        ]
        order = np.concatenate([np.empty(0, np.int64), *chosen])
        return replace(self, order=order, edges=np.append(0, np.cumsum(sizes)))

    def meetings(self) -> NDArray[np.int64]:
        """How many comparisons each two cells have, of one person or of two, (cells, cells)."""
        sizes = self.sizes
        return np.where(np.eye(len(sizes), dtype=bool), sizes * (sizes - 1) // 2, np.outer(sizes, sizes))

    def numbers(self) -> NDArray[np.int64]:
        """How many comparisons each pair of groups has, of one person or of two, (pairs,)."""
        total = np.zeros(self.pairs[-1].stop, np.int64)
        once = np.triu(np.ones(self.pair_of.shape[1:], bool))
        for pairs in self.pair_of:
            counted = once & (pairs >= 0)
            np.add.at(total, pairs[counted], self.meetings()[counted])
        return total


def _numbered(groups: int, first: int) -> NDArray[np.int32]:
    """Numbers for all pairs of so many groups, counted from `first` row by row; -1 in the last row and column."""
    table = np.full((groups + 1, groups + 1), -1, np.int32)
    rows, columns = np.triu_indices(groups)
    table[rows, columns] = table[columns, rows] = first + np.arange(len(rows))
    return table
