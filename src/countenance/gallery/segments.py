"""Segments: many templates whose codes are scanned first, so that few need to be compared exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from countenance.gallery.blocks import Block
from countenance.gallery.candidates import Candidates
from countenance.gallery.certificate import Residuals, alignment
from countenance.gallery.quantization import Probe, Quantizer, codes_of, pack, unpack

# Templates in a full segment. One core scans one segment at a time: smaller ones would share a search among more
# cores, larger ones spend less on starting (a scan takes about a millisecond, starting it 0.05).
CAPACITY = 1 << 18

# One template in so many is an outlier, scored exactly in every search so that the bound of the others is tight.
OUTLIERS = 512

# The first scan of a segment takes so many candidates, each further one so many times more; when that would be more
# than one template in EXHAUSTION, all are compared exactly instead.
FIRST_CANDIDATES = 1024
WIDENING = 8
EXHAUSTION = 8


@dataclass(frozen=True, slots=True)
class Segment:
    """The first `coded` templates of a block and their codes. Never changes, except that templates are erased.

    `worst` bounds what quantisation lost, for all but the `outliers`.
    """

    block: Block
    scan: Any
    coded: int
    worst: Residuals
    outliers: NDArray[np.int64]

    @classmethod
    def empty(cls, quantizer: Quantizer) -> Self:
        """A segment without templates."""
        nothing = Residuals(np.zeros(0, np.float32), np.zeros(0, np.float32), 0.0)
        scan = quantizer.index(np.zeros(0, np.uint8), 0)
        return cls(Block(quantizer.dimension, 1), scan, 0, nothing, np.zeros(0, np.int64))

    @property
    def room(self) -> int:
        """How many templates it can be extended by, a multiple of 32."""
        return CAPACITY - self.coded

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return self.block.nbytes + int(self.scan.codes.size())

    def extended(self, quantizer: Quantizer, keys: NDArray[np.int64], rows: NDArray[np.float16]) -> Self:
        """A segment that has these templates as well (n a multiple of 32, at most `room`).

        The rows are shared with this one, whose readers do not see the new ones, and so are later erasures of rows;
        codes are copied, and only those of the new segment are erased later.
        """
        count = self.coded + len(keys)
        block = self.block
        if count > block.capacity:
            block = block.grown(min(CAPACITY, max(count, 2 * block.capacity)))
        block.append(keys, rows)
        codes, residuals = quantizer.encode(rows)
        odd = residuals.outliers(-(-len(keys) // OUTLIERS), quantizer.rotated_dimension)
        return type(self)(
            block,
            quantizer.index(np.concatenate([codes_of(self.scan), pack(codes).ravel()]), count),
            count,
            self.worst.joined(residuals.without(odd)).worst(),
            np.concatenate([self.outliers, odd + self.coded]),
        )

    def only(self, quantizer: Quantizer, places: NDArray[np.intp]) -> Self:
        """A segment of the templates at these places, a multiple of 32 of them, sharing nothing with this one."""
        block = Block(quantizer.dimension, len(places))
        block.append(self.block.keys[places], self.block.rows[places])
        codes = unpack(codes_of(self.scan), quantizer.codes)[places]
        outliers = np.flatnonzero(np.isin(places, self.outliers))
        return type(self)(block, quantizer.index(pack(codes).ravel(), len(places)), len(places), self.worst, outliers)

    def erase(self, quantizer: Quantizer, places: NDArray[np.intp]) -> None:
        """Makes living templates invisible and overwrites them and their codes, at once."""
        self.block.erase(places)
        quantizer.blank(self.scan, places)

    def search(self, probe: NDArray[np.float32], rotated: Probe, templates: int, found: Candidates) -> None:
        """Offers every template that can be in the answer for a probe (1, d).

        `templates` is how many the whole gallery has: the certificate holds for all of them together.
        """
        aligned = alignment(rotated.rotated.shape[1], templates)
        found.offer_best_of(self.block, probe, self.outliers)
        wanted = max(FIRST_CANDIDATES, found.limit)
        while wanted * EXHAUSTION <= self.coded:
            (scores,), (places,) = self.scan.search(rotated.rotated, wanted)
            close = scores >= self._floor(found.cut, rotated, aligned)
            found.offer_best_of(self.block, probe, places[close & (places >= 0)])
            # FastScan answers -1 for templates with the least sum its tables can give: then nothing is settled.
            if places[-1] >= 0 and scores[-1] < self._floor(found.cut, rotated, aligned):
                return
            wanted *= WIDENING
        found.offer_nearest(self.block, probe)

    def _floor(self, cut: float, probe: Probe, aligned: float) -> float:
        return self.worst.floor(cut, probe.norm, aligned) - probe.rounding
