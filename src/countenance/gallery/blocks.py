"""Blocks of templates in memory, compared exactly."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray


class Block:
    """Templates, half floats as at rest, each under a key, in the order they came. Room for `capacity` of them.

    One writer at a time; readers need no lock: a template is complete before it is counted, and a reader that has
    scored one and then still finds it alive has scored it whole, because a writer who erases marks it dead first.
    """

    def __init__(self, dimension: int, capacity: int) -> None:
        self.dimension = dimension
        self.capacity = capacity
        self.keys = np.zeros(capacity, np.int64)
        self.alive = np.zeros(capacity, np.bool_)
        self.living = 0
        # FAISS scores half floats at memory speed, so it owns the memory, and `rows` is a view of it.
        self._exact = _half_float_index(dimension)
        self._exact.codes.resize(capacity * dimension * 2)
        memory = faiss.rev_swig_ptr(self._exact.codes.data(), capacity * dimension * 2)
        self.rows: NDArray[np.float16] = memory.view(np.float16).reshape(capacity, dimension)
        self._ascending = True  # keys come in order, except those of users and of what was put again

    @property
    def count(self) -> int:
        """How many templates have come, dead ones included."""
        return int(self._exact.ntotal)

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return self.rows.nbytes + self.keys.nbytes + self.alive.nbytes

    def append(self, keys: NDArray[np.int64], rows: NDArray[np.float16]) -> None:
        """Adds templates (n, d); there must be room."""
        start, end = self.count, self.count + len(keys)
        if end > self.capacity:
            raise ValueError(f"no room for {end} templates in a block of {self.capacity}")
        if start and len(keys):
            self._ascending &= bool(keys[0] > self.keys[start - 1])
        self._ascending &= bool((np.diff(keys) > 0).all())
        self.rows[start:end] = rows
        self.keys[start:end] = keys
        self.alive[start:end] = True
        self.living += len(keys)
        self._exact.ntotal = end

    def grown(self, capacity: int) -> Block:
        """A copy with more room; dead templates keep their places."""
        copy = Block(self.dimension, capacity)
        copy.append(self.keys[: self.count], self.rows[: self.count])
        copy.alive[: self.count] = self.alive[: self.count]
        copy.living = self.living
        return copy

    def find(self, keys: NDArray[np.int64]) -> NDArray[np.intp]:
        """Places of the living templates with these keys; keys that are not here are passed over."""
        present = self.keys[: self.count]
        if not len(present):
            return np.zeros(0, np.intp)
        if self._ascending:
            keys = keys[(keys >= present[0]) & (keys <= present[-1])]
            places = np.searchsorted(present, keys)
            places = places[present[places] == keys]
        else:
            places = np.flatnonzero(np.isin(present, keys))
        return places[self.alive[places]]

    def erase(self, places: NDArray[np.intp]) -> None:
        """Makes living templates invisible and overwrites them with zeros, at once."""
        self.alive[places] = False
        self.rows[places] = 0
        self.living -= len(places)

    def nearest(self, probe: NDArray[np.float32], count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Scores, descending, and places of the `count` best for a probe (1, d), dead templates included."""
        return _search(self._exact, probe, count)

    def score(
        self, probe: NDArray[np.float32], places: NDArray[np.int64], count: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The same among these places only: bit for bit the scores that `nearest` gives."""
        chosen = _half_float_index(self.dimension)
        chosen.add_sa_codes(self.rows[places].view(np.uint8))
        scores, found = _search(chosen, probe, count)
        return scores, places[found]


def _half_float_index(dimension: int) -> Any:
    return faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)


def _search(index: Any, probe: NDArray[np.float32], count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    scores, places = index.search(probe, max(1, min(count, index.ntotal)))
    known = places[0] >= 0
    return scores[0][known], places[0][known]
