"""Synthetic templates that are as like each other as those of real faces are.

Directions are drawn with an exponential spectrum, so that the cosines of different people spread as a face
recogniser's do, and not as those of random directions, which are further apart the more dimensions there are. A
person has 1 to 20 faces, five on average, mostly at cosines of 0.6 to 0.8 to each other, one in twenty of them a poor
photo at 0.3 to 0.5. One person in a hundred looks like somebody else. Not a substitute for real faces where accuracy is
measured; here only the geometry matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

# Standard deviation of the cosine of two people by dimensions: what SFace (128) and ArcFace (512) show, about.
NON_MATED_SPREAD = {128: 0.10, 512: 0.07}

# A cosine at which such a recogniser would decide: planted matches lie just above it.
THRESHOLD = {128: 0.55, 512: 0.40}

BLOCK = 1 << 16
MAX_FACES_PER_PERSON = 20
MEAN_FACES_PER_PERSON = 5


@dataclass(frozen=True)
class Gallery:
    """`size` templates of `dimension`, the same every time, made block by block: they need not fit in memory."""

    dimension: int
    size: int

    @property
    def spectrum(self) -> NDArray[np.float32]:
        """Standard deviation of each coordinate before normalisation."""
        places = np.arange(self.dimension)

        def excess(decay: float) -> float:
            variance = np.exp(-places / decay)
            return float((variance**2).sum() ** 0.5 / variance.sum()) - NON_MATED_SPREAD[self.dimension]

        decay = brentq(excess, 1.0, 100.0 * self.dimension)
        deviations: NDArray[np.float32] = np.exp(-places / decay / 2).astype(np.float32)
        return deviations

    def blocks(self) -> Iterator[NDArray[np.float16]]:
        """All templates, (n, d) at a time."""
        for start in range(0, self.size, BLOCK):
            yield self.block(start // BLOCK)[: self.size - start]

    def block(self, number: int) -> NDArray[np.float16]:
        """The templates from number * BLOCK on."""
        rng = np.random.default_rng([self.dimension, number])
        faces = 1 + rng.geometric(1 / MEAN_FACES_PER_PERSON, BLOCK) % MAX_FACES_PER_PERSON
        people = int(np.searchsorted(np.cumsum(faces), BLOCK)) + 1
        centres = self.directions(rng, people)
        alike = rng.choice(people - 1, people // 100, replace=False) + 1
        centres[alike] = at_cosine(centres[alike - 1], centres[alike], rng.uniform(0.3, 0.5, len(alike)))
        owners = np.repeat(np.arange(people), faces[:people])[:BLOCK]
        # Two faces at cosines a and b to their centre are at about ab to each other.
        mated = rng.uniform(0.6, 0.8, BLOCK)
        poor = rng.random(BLOCK) < 0.05
        mated[poor] = rng.uniform(0.3, 0.5, poor.sum()) ** 2 / 0.7
        return at_cosine(centres[owners], self.directions(rng, BLOCK), np.sqrt(mated)).astype(np.float16)

    def directions(self, rng: np.random.Generator, count: int) -> NDArray[np.float32]:
        """Unit vectors of different people."""
        drawn = rng.standard_normal((count, self.dimension), dtype=np.float32)
        drawn *= self.spectrum
        return unit(drawn)


@dataclass(frozen=True)
class Probes:
    """Probes (n, d), and the matches to be planted for them into the gallery."""

    vectors: NDArray[np.float32]
    planted: NDArray[np.float16]

    @classmethod
    def of(cls, gallery: Gallery, count: int) -> Probes:
        """A third each: people who are enrolled, strangers, and strangers with planted matches.

        A planted match is as little above the threshold as can be, in the shadow of 1 to 20 much stronger ones of one
        other person, and beside one just below the threshold that must not be found.
        """
        rng = np.random.default_rng([gallery.dimension, gallery.size, count])
        threshold = THRESHOLD[gallery.dimension]
        strangers = gallery.directions(rng, count)
        enrolled = gallery.block(0)[: gallery.size].astype(np.float32)
        mates = enrolled[rng.integers(0, len(enrolled), count // 3)]
        vectors = strangers.copy()
        vectors[: len(mates)] = at_cosine(unit(mates), strangers[: len(mates)], rng.uniform(0.5, 0.9, len(mates)))
        planted = []
        for probe in vectors[count // 3 * 2 :]:
            stronger = int(rng.integers(1, 21))
            cosines = np.concatenate(
                [
                    rng.uniform(threshold + 0.001, threshold + 0.02, 1),
                    rng.uniform(threshold - 0.01, threshold - 0.001, 1),
                    rng.uniform(threshold + 0.1, 0.9, stronger),
                ]
            )
            noise = gallery.directions(rng, 2 + stronger)
            planted.append(at_cosine(np.tile(probe, (2 + stronger, 1)), noise, cosines))
        return cls(unit(vectors), np.concatenate(planted).astype(np.float16))


def at_cosine(
    vectors: NDArray[np.float32], others: NDArray[np.float32], cosines: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Unit vectors at these cosines to unit `vectors`, in the direction of `others`."""
    across = unit(others - np.vecdot(others, vectors)[:, None] * vectors)
    along = cosines.astype(np.float32)[:, None]
    return (along * vectors + np.sqrt(1 - along**2) * across).astype(np.float32, copy=False)


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each of unit norm."""
    scaled: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
    return scaled
