"""Who was compared with whom: what an error rate's uncertainty depends on beside the errors.

Subjects are numbered from 0. Comparisons of a subject with itself are mated and none of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


class Pairing(Protocol):
    """The non-mated comparisons within one group, or between two."""

    @property
    def comparisons(self) -> int:
        """How many there are."""

    @property
    def subjects(self) -> int:
        """How many different people take part."""

    @property
    def by_subject(self) -> NDArray[np.float64]:
        """In how many each subject takes part, (S,): every comparison counts for two."""

    @property
    def squares(self) -> float:
        """The sum over pairs of subjects of the square of their number of comparisons."""

    def of_pairs(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.float64]:
        """How many comparisons each pair of subjects has, (m,); left < right."""

    def weighted(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """How many comparisons there are when each subject is there so often: weights (r, S), result (r,).

        A subject that is there twice is not compared with its own copy.
        """


@dataclass(frozen=True, eq=False)
class FullPairing:
    """Every image of one group compared with every one of another, or of the same.

    `images`, `others` float64 (S,): how many images each subject has in the one and in the other; `others` None: the
    comparisons are those within one group.
    """

    images: NDArray[np.float64]
    others: NDArray[np.float64] | None = None

    @property
    def comparisons(self) -> int:
        """How many there are."""
        return round(float(self.weighted(np.ones((1, len(self.images))))[0]))

    @property
    def subjects(self) -> int:
        """How many different people take part."""
        return int(np.count_nonzero(self.images if self.others is None else self.images + self.others))

    @cached_property
    def by_subject(self) -> NDArray[np.float64]:
        """In how many each subject takes part, (S,)."""
        one, other = self.images, self.others
        if other is None:
            within: NDArray[np.float64] = one * (one.sum() - one)
            return within
        between: NDArray[np.float64] = one * (other.sum() - other) + other * (one.sum() - one)
        return between

    @cached_property
    def squares(self) -> float:
        """The sum over pairs of subjects of the square of their number of comparisons."""
        one, other = self.images, self.others
        if other is None:
            return float((one @ one) ** 2 - (one**2) @ (one**2)) / 2
        both = one * other
        return float((one @ one) * (other @ other) + both.sum() ** 2 - 2 * (both @ both))

    def of_pairs(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.float64]:
        """How many comparisons each pair of subjects has, (m,)."""
        one, other = self.images, self.others
        if other is None:
            within: NDArray[np.float64] = one[left] * one[right]
            return within
        between: NDArray[np.float64] = one[left] * other[right] + one[right] * other[left]
        return between

    def weighted(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """How many comparisons there are when each subject is there so often."""
        one, other = self.images, self.others
        if other is None:
            total: NDArray[np.float64] = ((weights @ one) ** 2 - (weights**2) @ (one**2)) / 2
            return total
        crossed: NDArray[np.float64] = (weights @ one) * (weights @ other) - (weights**2) @ (one * other)
        return crossed


@dataclass(frozen=True, eq=False)
class ListedPairing:
    """Comparisons that somebody chose: `left`, `right` int32 (m,), the subjects of each; `population`: S."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    population: int

    @property
    def comparisons(self) -> int:
        """How many there are."""
        return len(self.left)

    @cached_property
    def subjects(self) -> int:
        """How many different people take part."""
        return len(np.union1d(self.left, self.right))

    @cached_property
    def by_subject(self) -> NDArray[np.float64]:
        """In how many each subject takes part, (S,)."""
        ends = np.concatenate([self.left, self.right])
        return np.bincount(ends, minlength=self.population).astype(np.float64)

    @cached_property
    def squares(self) -> float:
        """The sum over pairs of subjects of the square of their number of comparisons."""
        return float(self._matrix.multiply(self._matrix).sum())

    def of_pairs(self, left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.float64]:
        """How many comparisons each pair of subjects has, (m,)."""
        return np.asarray(self._matrix[left, right], dtype=np.float64).ravel()

    def weighted(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """How many comparisons there are when each subject is there so often."""
        return weighted_sum(self._matrix, weights)

    @cached_property
    def _matrix(self) -> sparse.csr_array:
        return counted(self.left, self.right, self.population)


def counted(left: NDArray[np.int32], right: NDArray[np.int32], population: int) -> sparse.csr_array:
    """How often each pair of subjects occurs, float64 (S, S), only above the diagonal."""
    low, high = np.minimum(left, right), np.maximum(left, right)
    return sparse.coo_array((np.ones(len(low)), (low, high)), shape=(population, population)).tocsr()


def weighted_sum(pairs: sparse.csr_array, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum over pairs of subjects of `pairs` times the weights of both, weights (r, S), result (r,)."""
    total: NDArray[np.float64] = ((weights @ pairs) * weights).sum(axis=1)
    return total
