"""What a search has found so far, and what a template must reach to matter still."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from countenance.gallery.blocks import Block

# Asked of an exact scan beyond the limit, so that ties and a few dead templates need no second one.
SPARE = 16


class Candidates:
    """The `limit` best templates of at least `threshold` among those offered; ties go to the smaller key.

    Safe to share between threads. `exclude` is the key of a template that does not count.
    """

    def __init__(self, threshold: float, limit: int, exclude: int | None) -> None:
        self.limit = limit
        self.cut = threshold
        """The score below which a template cannot be in the answer. Only ever rises."""
        self._exclude = exclude
        self._lock = threading.Lock()
        self._keys = np.zeros(0, np.int64)
        self._scores = np.zeros(0, np.float32)

    def offer(self, keys: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
        """Templates, each with its exact score. A key may come more than once, always with the same score."""
        reaching = scores >= self.cut
        if self._exclude is not None:
            reaching &= keys != self._exclude
        if not reaching.any():
            return
        with self._lock:
            joined = np.concatenate([self._keys, keys[reaching]])
            unique, first = np.unique(joined, return_index=True)
            scored = np.concatenate([self._scores, scores[reaching]])[first]
            order = np.lexsort((unique, -scored))[: self.limit]
            self._keys, self._scores = unique[order], scored[order]
            if len(order) == self.limit:
                self.cut = max(self.cut, float(self._scores[-1]))

    def offer_best_of(self, block: Block, probe: NDArray[np.float32], places: NDArray[np.int64]) -> None:
        """The templates of a block at these places, as far as they are alive and may matter."""
        wanted = self.limit + SPARE
        while len(places):
            scores, best = block.score(probe, places, wanted)
            self._offer_living(block, best, scores)
            if wanted >= len(places) or scores[-1] < self.cut:
                return
            wanted *= 4

    def offer_nearest(self, block: Block, probe: NDArray[np.float32]) -> None:
        """All templates of a block, as far as they are alive and may matter."""
        wanted = self.limit + SPARE
        while count := block.count:
            scores, best = block.nearest(probe, wanted)
            self._offer_living(block, best, scores)
            if wanted >= count or scores[-1] < self.cut:
                return
            wanted *= 4

    def best(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Keys and scores, best first."""
        return self._keys, self._scores

    def _offer_living(self, block: Block, places: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
        # Looked up after scoring: what is alive now was whole when it was scored.
        alive = block.alive[places]
        self.offer(block.keys[places[alive]], scores[alive])
