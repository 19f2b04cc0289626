"""1:N: what happens when one person is searched for among many (ISO/IEC 19795-1, FPIR and FNIR)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from countenance.fairness.comparisons.all_pairs import exact
from countenance.fairness.data.enrolment import Enrolment
from countenance.fairness.record import Identification, IdentificationRates, OperatingPoint, Rate
from countenance.fairness.statistics.evidence import groupings_of
from countenance.fairness.statistics.rates import clustered

# Candidates that somebody looks at: the first one, and a list.
RANKS = (1, 20)

# Galleries drawn at each size, so that no one gallery decides; fewer where the comparisons would be too many.
GALLERIES = 10
MAX_COMPARISONS = 2_000_000_000

SMALLEST_GALLERY = 10

# Probes compared with a gallery at once.
BLOCK = 1024

# The same data give the same galleries.
SEED = 20_260_101


@dataclass(frozen=True, slots=True, eq=False)
class _Searches:
    """What searches brought up: positions of the probes, float64 scores of the best candidate that is another person,
    and, of probes whose subject is in the gallery, its score and its rank from 0 (-1: the subject is not there)."""

    probes: NDArray[np.int64]
    best_other: NDArray[np.float64]
    own: NDArray[np.float64]
    rank: NDArray[np.int64]

    def rates(
        self, chosen: NDArray[np.bool_], subjects: NDArray[np.int32], threshold: float, rank: int, *, confidence: float
    ) -> tuple[Rate | None, Rate | None]:
        """FPIR and FNIR of the probes `chosen`, bool (probes,); `subjects` int32 (probes,). None without searches."""
        mated, others = chosen & (self.rank >= 0), chosen & (self.rank < 0)
        positive = self.best_other >= threshold
        missed = (self.own < threshold) | (self.rank >= rank)
        return (
            clustered(positive[others], subjects[others], confidence) if others.any() else None,
            clustered(missed[mated], subjects[mated], confidence) if mated.any() else None,
        )


def sizes_for(subjects: int) -> list[int]:
    """Gallery sizes that leave at least as many people outside: powers of ten, then half of the subjects."""
    half = subjects // 2
    sizes = [10**power for power in range(1, 7) if SMALLEST_GALLERY <= 10**power < half]
    return [*sizes, half] if half >= SMALLEST_GALLERY else []


def identify(enrolment: Enrolment, points: Sequence[OperatingPoint], *, confidence: float) -> list[Identification]:
    """FPIR and FNIR of every group at every threshold, in galleries of several sizes.

    A gallery has one image of each of its subjects, the earliest where the data say which that is; all other images are
    probes. The intervals are over the subjects that are searched for; galleries are drawn several times.
    """
    images = enrolment.images
    people = sorted({image.identity for image in images})
    places = {identity: place for place, identity in enumerate(people)}
    identities = np.array([places[image.identity] for image in images], np.int64)
    first = _first_images(enrolment, identities, len(people))
    groupings = groupings_of(enrolment.data_set, images)
    found = []
    for size in sizes_for(len(people)):
        searches = _search(enrolment, identities, first, size)
        subjects = identities[searches.probes].astype(np.int32)
        of_group = {
            (grouping.name, group): grouping.of_image[searches.probes] == place
            for grouping in groupings
            for place, group in enumerate(grouping.groups)
        }
        for point, rank in product(points, RANKS):
            if point.threshold is None or rank >= size:
                continue
            rates = []
            for (grouping, group), chosen in of_group.items():
                fpir, fnir = searches.rates(chosen, subjects, point.threshold, rank, confidence=confidence)
                rates.append(IdentificationRates(grouping=grouping, group=group, fpir=fpir, fnir=fnir))
            found.append(
                Identification(size=size, rank=rank, point=point.name, threshold=point.threshold, groups=tuple(rates))
            )
    return found


def _search(enrolment: Enrolment, identities: NDArray[np.int64], first: NDArray[np.int64], size: int) -> _Searches:
    templates = exact(enrolment.templates)
    generator = np.random.default_rng(SEED + size)
    galleries = max(1, min(GALLERIES, MAX_COMPARISONS // (size * len(templates))))
    draws = [generator.permutation(len(first))[:size] for _ in range(galleries)]
    # Who was found to be one person with another is not searched for: such pairs were chosen by their score.
    names = np.array([image.subject for image in enrolment.images])
    parts = []
    for enrolled in draws:
        gallery = np.full(len(first), -1)
        gallery[enrolled] = first[enrolled]
        mate = gallery[identities]
        is_probe = mate != np.arange(len(templates))
        if enrolment.data_set.has_mates:
            is_probe &= (mate < 0) | (names[mate] == names)
        else:
            is_probe &= mate < 0
        parts.append(_search_in(templates, first[enrolled], np.flatnonzero(is_probe), mate))
    return _Searches(
        np.concatenate([part.probes for part in parts]),
        np.concatenate([part.best_other for part in parts]),
        np.concatenate([part.own for part in parts]),
        np.concatenate([part.rank for part in parts]),
    )


def _search_in(
    templates: NDArray[np.float64],
    gallery: NDArray[np.int64],
    probes: NDArray[np.int64],
    mate: NDArray[np.int64],
) -> _Searches:
    """Search for the images `probes` among those of `gallery`; `mate` (n,): the image there of each one's subject."""
    place = np.full(len(templates), -1)
    place[gallery] = np.arange(len(gallery))
    best, own, rank = np.empty(len(probes)), np.full(len(probes), -np.inf), np.full(len(probes), -1)
    for start in range(0, len(probes), BLOCK):
        chosen = slice(start, start + BLOCK)
        scores = templates[probes[chosen]] @ templates[gallery].T
        mates = mate[probes[chosen]]
        rows = np.flatnonzero(mates >= 0)
        columns = place[mates[rows]]
        own[chosen][rows] = scores[rows, columns]
        rank[chosen][rows] = (scores[rows] > own[chosen][rows, None]).sum(axis=1)
        scores[rows, columns] = -np.inf
        best[chosen] = scores.max(axis=1)
    return _Searches(probes, best, own, rank)


def _first_images(enrolment: Enrolment, identities: NDArray[np.int64], people: int) -> NDArray[np.int64]:
    """The image of each subject that is enrolled, int64 (people,): the earliest."""
    years = np.array([np.inf if image.years is None else image.years for image in enrolment.images])
    order = np.lexsort((np.arange(len(years)), years))
    first = np.empty(people, np.int64)
    first[identities[order[::-1]]] = order[::-1]
    return first
