"""All comparisons of a data set, group by group: what rates, curves and thresholds are read off.

They come from templates, every one compared with every other, or from a table of scores that somebody else made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countenance.fairness.comparisons import all_pairs as comparisons
from countenance.fairness.comparisons.all_pairs import BINS, Grouping, PairOfGroups, Pool, Tail, compare_all, quietly
from countenance.fairness.data.datasets import DataSet, Image
from countenance.fairness.data.enrolment import Enrolment
from countenance.fairness.data.scores import ScoreTable, TableGrouping
from countenance.fairness.record import ALL, EVERYONE
from countenance.fairness.statistics.pairings import FullPairing, ListedPairing
from countenance.fairness.statistics.rates import Histogram, Mated, NonMated


@dataclass(frozen=True, slots=True)
class Group:
    """A group of a grouping: "gender=Female, race=Black" of "gender, race"; everyone of ""."""

    grouping: str
    name: str


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was compared, and what came of it.

    `non_mated` has those within a group under (group, group), and those between two groups of a grouping under both, in
    the order of `groups`; `mated` the mated ones of each group. Groups without comparisons are in none of them.
    `low`, `high`: the ends of the scale of the scores. `population`: how many subjects there are, so that weights can
    be drawn for them; None where nobody knows the subjects. `years_apart` float64 (m,): how many years lie between the
    two photos of each mated comparison of everyone, NaN where the data do not say. `pairs` and `mates` are everyone's
    non-mated and mated comparisons by images, for who wants to look at them.
    """

    groups: Sequence[Group]
    non_mated: dict[tuple[Group, Group], NonMated]
    mated: dict[Group, Mated]
    low: float
    high: float
    population: int | None
    years_apart: NDArray[np.float64] | None = None
    pairs: PairOfGroups | None = None
    mates: Tail | None = None

    @property
    def everyone(self) -> NonMated:
        """All non-mated comparisons, within groups and across them."""
        everyone = Group(ALL, EVERYONE)
        return self.non_mated[everyone, everyone]

    @property
    def groupings(self) -> list[str]:
        """In their order, that of everyone first."""
        return list(dict.fromkeys(group.grouping for group in self.groups))

    def of(self, grouping: str) -> list[Group]:
        """The groups of a grouping that have comparisons."""
        return [group for group in self.groups if group.grouping == grouping and (group, group) in self.non_mated]


def groupings_of(data_set: DataSet, images: Sequence[Image]) -> list[Grouping]:
    """Everyone, then the groupings of the data set's card, over some of its images.

    An image outside the scope of the card's calibration is in the group that puts it there, and in no other.
    """
    groupings = [Grouping(ALL, (EVERYONE,), np.zeros(len(images), np.int32))]
    outside = [(column,) for column in data_set.description.manifest.outside]
    declared = data_set.description.manifest.groupings
    for columns in dict.fromkeys((*declared, *outside)):
        names = [_group_in(image, columns, declared) for image in images]
        groups = tuple(sorted({name for name in names if name is not None}))
        places = {name: place for place, name in enumerate(groups)}
        of_image = np.array([-1 if name is None else places[name] for name in names], np.int32)
        groupings.append(Grouping(", ".join(columns), groups, of_image))
    return groupings


def of_templates(
    enrolment: Enrolment,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] = quietly,
    down_to: float | None = None,
    checkpoint: Path | None = None,
    pool: Pool | None = None,
) -> Evidence:
    """Every image of an enrolment compared with every other; at every threshold from `down_to` on, counts are exact.

    Raises `InvalidParameter` where more comparisons score so much than can be held in memory.
    """
    templates = comparisons.exact(enrolment.templates)
    identities = _numbered([image.identity for image in enrolment.images])
    subjects = _numbered([image.subject for image in enrolment.images])
    groupings = groupings_of(enrolment.data_set, enrolment.images)
    found = compare_all(
        templates,
        identities,
        groupings,
        at_least_from=down_to,
        workers=workers,
        progress=progress,
        checkpoint=checkpoint,
        pool=pool,
    )
    images = {
        (grouping.name, group): _images(grouping, place, identities)
        for grouping in groupings
        for place, group in enumerate(grouping.groups)
    }
    mated: dict[Group, Mated] = {}
    years_apart = pairs = None
    if enrolment.data_set.has_mates:
        pairs = comparisons.mated_scores(templates, subjects)
        years = np.array([np.nan if image.years is None else image.years for image in enrolment.images])
        years_apart = np.abs(years[pairs.left] - years[pairs.right])
        for grouping in groupings:
            left, right = grouping.of_image[pairs.left], grouping.of_image[pairs.right]
            for place, name in enumerate(grouping.groups):
                chosen = (left == place) & (right == place)
                if chosen.any():
                    group = Group(grouping.name, name)
                    of_subjects = identities[pairs.left[chosen]].astype(np.int32)
                    mated[group] = Mated(group.grouping, group.name, pairs.scores[chosen], of_subjects)
    return Evidence(
        groups=[Group(grouping.name, name) for grouping in groupings for name in grouping.groups],
        non_mated={
            (Group(pair.grouping, pair.group), Group(pair.grouping, pair.other)): _non_mated(pair, images, identities)
            for pair in found
            if pair.comparisons
        },
        mated=mated,
        low=-1.0,
        high=1.0,
        population=int(identities.max()) + 1,
        years_apart=years_apart,
        pairs=found[0],
        mates=pairs,
    )


def of_table(table: ScoreTable) -> Evidence:
    """The comparisons of a table. Scores are known in full, so every threshold's count is exact."""
    low, high = float(table.scores.min()), float(table.scores.max())
    high = high if high > low else low + 1
    groups = [Group(grouping.name, name) for grouping in table.groupings for name in grouping.groups]
    non_mated: dict[tuple[Group, Group], NonMated] = {}
    mated: dict[Group, Mated] = {}
    order = np.argsort(-table.scores, kind="stable")
    for grouping in table.groupings:
        for one, other in combinations_with_replacement(range(len(grouping.groups)), 2):
            chosen = order[_between(grouping, one, other)[order]]
            impostors, mates = chosen[~table.mated[chosen]], chosen[table.mated[chosen]]
            pair = Group(grouping.name, grouping.groups[one]), Group(grouping.name, grouping.groups[other])
            if len(impostors):
                non_mated[pair] = _listed(table, pair, impostors, low, high)
            if one == other and len(mates):
                subjects = np.arange(len(mates), dtype=np.int32) if table.left is None else table.left[mates]
                mated[pair[0]] = Mated(pair[0].grouping, pair[0].name, table.scores[mates], subjects)
    return Evidence(groups, non_mated, mated, low, high, table.subjects)


def _group_in(image: Image, columns: Sequence[str], declared: Sequence[Sequence[str]]) -> str | None:
    if image.outside:
        (group,) = image.groups
        return group if len(columns) == 1 and group.startswith(f"{columns[0]}=") else None
    return (image.groups[list(declared).index(columns)] or None) if columns in declared else None


def _numbered(names: Sequence[str]) -> NDArray[np.int64]:
    places = {name: place for place, name in enumerate(sorted(set(names)))}
    return np.array([places[name] for name in names], np.int64)


def _images(grouping: Grouping, place: int, identities: NDArray[np.int64]) -> NDArray[np.float64]:
    members = identities[grouping.of_image == place]
    return np.bincount(members, minlength=int(identities.max()) + 1).astype(np.float64)


def _non_mated(
    pair: PairOfGroups, images: dict[tuple[str, str], NDArray[np.float64]], identities: NDArray[np.int64]
) -> NonMated:
    others = None if pair.group == pair.other else images[pair.grouping, pair.other]
    return NonMated(
        grouping=pair.grouping,
        group=pair.group,
        other=pair.other,
        comparisons=pair.comparisons,
        histogram=Histogram(-1.0, 1.0, pair.histogram),
        floor=pair.tail.floor,
        scores=pair.tail.scores,
        left=identities[pair.tail.left].astype(np.int32),
        right=identities[pair.tail.right].astype(np.int32),
        pairing=FullPairing(images[pair.grouping, pair.group], others),
    )


def _listed(table: ScoreTable, pair: tuple[Group, Group], rows: NDArray[np.int64], low: float, high: float) -> NonMated:
    scores = table.scores[rows]
    counts, _ = np.histogram(scores, bins=BINS, range=(low, high))
    nobody = np.empty(0, np.int32)
    known = table.left is not None and table.right is not None and table.subjects is not None
    left = table.left[rows] if table.left is not None else nobody
    right = table.right[rows] if table.right is not None else nobody
    return NonMated(
        grouping=pair[0].grouping,
        group=pair[0].name,
        other=pair[1].name,
        comparisons=len(rows),
        histogram=Histogram(low, high, counts.astype(np.int64)),
        floor=-np.inf,
        scores=scores,
        left=left,
        right=right,
        pairing=ListedPairing(left, right, table.subjects) if known and table.subjects is not None else None,
    )


def _between(grouping: TableGrouping, one: int, other: int) -> NDArray[np.bool_]:
    left, right = grouping.left, grouping.right
    chosen: NDArray[np.bool_] = ((left == one) & (right == other)) | ((left == other) & (right == one))
    return chosen
