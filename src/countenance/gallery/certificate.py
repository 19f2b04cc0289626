"""How wrong a scan over codes can be: the bound by which an answer is known to be the exact one.

Let x be a template, c what its codes stand for, r = x - c, q the probe, s = <q, x> the true score and <q, c> the
scan's. With b = <r, x> / |x|^2 and rho the length of r's part orthogonal to x,

    <q, c> = s (1 - b) - <q', r'>        q', r' orthogonal to x, |r'| = rho, |q'|^2 = |q|^2 - s^2 / |x|^2.

b and rho are known exactly for every template. Given the rotated x, the rotation leaves the direction of q' uniformly
distributed among those orthogonal to x, because it was drawn uniformly and independently of the templates. So the
cosine between q' and r' exceeds t with the probability of a spherical cap in D - 1 dimensions, an incomplete beta
function (Li, "Concise formulas for the area and volume of a hyperspherical cap", 2011). t is chosen such that over all
templates of a gallery together, a search goes wrong with a probability of at most FAILURE_PROBABILITY.

Hence a template whose true score reaches `cut` has a scan score of at least `Residuals.floor(cut, ...)`, and whatever
the scan puts below cannot match.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

# Per search, over the draw of the rotation: one wrong answer in a thousand million searches.
FAILURE_PROBABILITY = 1e-9

# Float32 arithmetic in the rotation and the scan: 512 sums of products near 1/512 err by about 1e-6.
ARITHMETIC = 1e-5

# Where residuals are compared to tell outliers: a cosine around which face recognisers decide.
TYPICAL_CUT = 0.4
TYPICAL_TEMPLATES = 2**20


@cache
def alignment(dimension: int, templates: int) -> float:
    """The cosine t that no rotated probe residual reaches by chance, for a gallery of up to `templates`.

    `dimension` is D of the rotated space, at least 4. Between 0 and 1.
    """
    tail = 2 * FAILURE_PROBABILITY / templates
    return float(np.sqrt(1.0 - betaincinv((dimension - 2) / 2, 0.5, tail)))


@dataclass(frozen=True, slots=True)
class Residuals:
    """What quantisation lost, per template: `along` is b, `across` is rho, float32 (n,); `norm` the largest |x|."""

    along: NDArray[np.float32]
    across: NDArray[np.float32]
    norm: float

    @classmethod
    def of(cls, templates: NDArray[np.float32], residuals: NDArray[np.float32]) -> Self:
        """From rotated templates (n, D), none of them zero, and what their codes leave of them (n, D)."""
        squares = np.vecdot(templates, templates)
        dots = np.vecdot(residuals, templates)
        across = np.sqrt(np.maximum(np.vecdot(residuals, residuals) - dots**2 / squares, 0))
        return cls(dots / squares, across, float(np.sqrt(squares.max(initial=0))))

    def outliers(self, count: int, dimension: int) -> NDArray[np.intp]:
        """Places of the `count` templates whose codes are worst: scored exactly, they spoil no bound."""
        harm = self._errors(TYPICAL_CUT, 1.0, alignment(dimension, TYPICAL_TEMPLATES))
        return np.sort(np.argpartition(harm, len(harm) - count)[len(harm) - count :])

    def without(self, places: NDArray[np.intp]) -> Self:
        """The residuals of the other templates."""
        return type(self)(np.delete(self.along, places), np.delete(self.across, places), self.norm)

    def joined(self, other: Self) -> Self:
        """Those of both."""
        return type(self)(
            np.concatenate([self.along, other.along]),
            np.concatenate([self.across, other.across]),
            max(self.norm, other.norm),
        )

    def worst(self) -> Self:
        """Those that no other exceeds both along and across: enough to know the largest error for any cut."""
        order = np.lexsort((self.across, self.along))[::-1]
        along, across = self.along[order], self.across[order]
        before = np.concatenate([[-np.inf], np.maximum.accumulate(across)[:-1]])
        return type(self)(along[across > before], across[across > before], self.norm)

    def floor(self, cut: float, probe_norm: float, aligned: float) -> float:
        """The least <q, c> of a template with <q, x> >= `cut`, when no cosine exceeds `aligned`.

        Minus infinity when nothing can be said, as for negative cuts.
        """
        if not len(self.along):
            return np.inf
        if cut < 0 or self.along.max() >= 1:  # below, <q, c> is not known to grow with <q, x>
            return -np.inf
        return cut - float(self._errors(cut, probe_norm, aligned).max()) - ARITHMETIC * probe_norm

    def _errors(self, cut: float, probe_norm: float, aligned: float) -> NDArray[np.float32]:
        orthogonal = np.sqrt(max(0.0, probe_norm**2 - (cut / max(self.norm, 1e-6)) ** 2))
        return cut * self.along + np.float32(aligned * orthogonal) * self.across
