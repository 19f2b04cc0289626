"""What would be asked of somebody else's endpoint, how many calls that is, what it costs and how long it takes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from countenance.errors import InvalidParameter
from countenance.fairness.data.datasets import DataSet
from countenance.fairness.record import ALL
from countenance.fairness.statistics.evidence import groupings_of

# Faces that SearchFaces answers at most.
MAX_SEARCHED = 4096

# Non-mated comparisons by CompareFaces, over all groups, unless somebody wants to pay for more.
DEFAULT_NON_MATED = 10_000

# Amazon's price of the first million calls a month in us-east-1, in US dollars; and a pace that its accounts have.
DEFAULT_PRICE = 0.001
DEFAULT_RATE = 5.0

# The same data give the same comparisons.
SEED = 20_260_101


class Way(StrEnum):
    """How an endpoint is asked."""

    COMPARE = "compare"
    SEARCH = "search"


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Comparisons, and what they take.

    `left`, `right` int32 (m,): positions in the data set's images, left < right. By COMPARE they are all mated pairs
    and a sample of the non-mated ones within groups, each a call of CompareFaces, after one for each image with itself,
    which shows whether a face is found in it. By SEARCH they are all comparisons: each image takes a call of IndexFaces
    and one of SearchFaces. `cost` is in the currency of the price, `seconds` as long as the rate lets it take.
    """

    data_set: DataSet
    way: Way
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    mated: int
    non_mated: int
    calls: int
    cost: float
    seconds: float


def plan(
    data_set: DataSet,
    way: Way,
    *,
    non_mated: int = DEFAULT_NON_MATED,
    price: float = DEFAULT_PRICE,
    rate: float = DEFAULT_RATE,
) -> Plan:
    """What to ask; nothing is sent. `price` per call, `rate` calls a second, `non_mated` as many comparisons at most.

    Each group gets the same share of the non-mated comparisons, drawn at random with a fixed seed. Raises
    `InvalidParameter` for more images than a search can answer.
    """
    images = data_set.images
    if not rate > 0 or not price >= 0 or non_mated < 0:
        raise InvalidParameter("A plan needs a rate above 0, and a price and a number of comparisons of at least 0.")
    identities = np.unique([image.identity for image in images], return_inverse=True)[1]
    mates = _mates(data_set)
    if way is Way.SEARCH:
        if len(images) > MAX_SEARCHED:
            raise InvalidParameter(
                f"A search answers at most {MAX_SEARCHED} faces, and there are {len(images):,} images: compare instead."
            )
        left, right = (side.astype(np.int32) for side in np.triu_indices(len(images), 1))
        known = np.isin(left * np.int64(len(images)) + right, sorted(mates)) if mates else np.zeros(len(left), np.bool_)
        asked = known | (identities[left] != identities[right])
        left, right = left[asked], right[asked]
        calls = 2 * len(images)
    else:
        pairs = sorted(mates | _strangers(data_set, identities, non_mated))
        left, right = (side.astype(np.int32) for side in np.divmod(np.array(pairs, np.int64), len(images)))
        calls = len(images) + len(pairs)
    return Plan(
        data_set=data_set,
        way=way,
        left=left,
        right=right,
        mated=len(mates),
        non_mated=len(left) - len(mates),
        calls=calls,
        cost=calls * price,
        seconds=calls / rate,
    )


def _mates(data_set: DataSet) -> set[int]:
    """All pairs of images of one subject, each as left * n + right."""
    if not data_set.has_mates:
        return set()
    members: dict[str, list[int]] = {}
    for place, image in enumerate(data_set.images):
        members.setdefault(image.subject, []).append(place)
    return {
        left * len(data_set.images) + right for places in members.values() for left, right in combinations(places, 2)
    }


def _strangers(data_set: DataSet, identities: NDArray[np.int64], budget: int) -> set[int]:
    """Pairs of images of different people within groups; of everyone where the card names no groups."""
    groupings = groupings_of(data_set, data_set.images)
    named = [grouping for grouping in groupings if grouping.name != ALL] or groupings
    groups = [np.flatnonzero(grouping.of_image == place) for grouping in named for place in range(len(grouping.groups))]
    random = np.random.default_rng(SEED)
    drawn: set[int] = set()
    for members in groups:
        drawn |= _drawn(members, identities, budget // len(groups), random)
    return drawn


def _drawn(
    members: NDArray[np.int64], identities: NDArray[np.int64], number: int, random: np.random.Generator
) -> set[int]:
    """So many pairs of members of different identities, or all there are."""
    size = len(identities)
    of_each = np.bincount(identities[members])
    possible = (len(members) ** 2 - int(of_each @ of_each)) // 2
    if possible <= 2 * number:
        left, right = np.triu_indices(len(members), 1)
        one, other = members[left], members[right]
        different = identities[one] != identities[other]
        keys = one[different] * size + other[different]
        return set(random.permutation(keys)[:number].tolist())
    found: dict[int, None] = {}
    while len(found) < number:
        one, other = np.sort(members[random.integers(len(members), size=(2, number))], axis=0)
        different = identities[one] != identities[other]
        found |= dict.fromkeys((one[different] * size + other[different]).tolist())
    return set(list(found)[:number])
