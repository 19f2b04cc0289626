"""Two engines, or two thresholds, on the same people: is the difference real?

An audit leaves beside its report which subjects it erred about, by number, so that two audits of the same data can be
compared person by person: people who are hard for both then say nothing about which of the two is better.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countenance.errors import InvalidParameter
from countenance.fairness.data.enrolment import Enrolment
from countenance.fairness.data.scores import ScoreTable
from countenance.fairness.record import Difference, OperatingPoint
from countenance.fairness.statistics.evidence import Evidence, Group
from countenance.fairness.statistics.intervals import in_batches, normal_quantile, subject_weights
from countenance.fairness.statistics.pairings import FullPairing, ListedPairing, Pairing, counted, weighted_sum
from countenance.vision.calibration import Interval

FILE = "errors-by-subject.npz"

# A file of errors is as large as there are errors; this is that of 100,000 faces at an FMR of 1e-2, several times over.
MAX_BYTES = 8 * 1024**3

REPLICATES = 1000
SEED = 20_260_101

Arrays = dict[str, NDArray[np.int32]]


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """Which subjects were erred about, at each operating point and in each group.

    `people` tells whether two audits are about the same data; `population`: how many subjects there are. `arrays` are
    int32: of every group the pairing (`images`, or `left` and `right`), of every point and group the subjects of its
    false matches (`left`, `right`) and of its false non-matches (`missed`), and of every group those of its mated
    comparisons (`mated`).
    """

    people: str
    population: int
    points: tuple[str, ...]
    groups: tuple[Group, ...]
    arrays: Arrays

    def pairing(self, group: int) -> Pairing:
        """Who was compared with whom in a group."""
        if f"{group}.images" in self.arrays:
            return FullPairing(self.arrays[f"{group}.images"].astype(np.float64))
        return ListedPairing(self.arrays[f"{group}.left"], self.arrays[f"{group}.right"], self.population)

    def fmr(self, point: int, group: int, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """False match rates when each subject is there so often, weights (r, S), result (r,)."""
        left, right = self.arrays[f"{point}.{group}.left"], self.arrays[f"{point}.{group}.right"]
        compared = self.pairing(group).weighted(weights)
        return weighted_sum(counted(left, right, self.population), weights) / np.maximum(compared, 1)

    def fnmr(self, point: int, group: int, weights: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """False non-match rates when each subject is there so often; None where the group has no mates."""
        if f"{group}.mated" not in self.arrays:
            return None
        misses = np.bincount(self.arrays[f"{point}.{group}.missed"], minlength=self.population)
        trials = np.bincount(self.arrays[f"{group}.mated"], minlength=self.population)
        result: NDArray[np.float64] = (weights @ misses) / np.maximum(weights @ trials, 1)
        return result

    def place(self, point: str) -> int:
        """Where an operating point is. Raises `InvalidParameter`."""
        if point not in self.points:
            raise InvalidParameter(f"There is no operating point {point!r}, but {', '.join(map(repr, self.points))}.")
        return self.points.index(point)

    def write(self, path: Path) -> None:
        """Into a file. Numbers of subjects only: no name, no template, no photo."""
        head = {
            "people": self.people,
            "population": self.population,
            "points": self.points,
            "groups": [[group.grouping, group.name] for group in self.groups],
        }
        with path.open("wb") as file:
            np.savez_compressed(file, head=np.frombuffer(json.dumps(head).encode(), np.uint8), **self.arrays)  # type: ignore[arg-type]

    @classmethod
    def read(cls, path: Path) -> Errors:
        """Out of the file that an audit wrote. Raises `InvalidParameter` for anything else."""
        try:
            if path.stat().st_size > MAX_BYTES:
                raise InvalidParameter(f"{path} is too large to be what an audit leaves.")
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as content:
                head = json.loads(content["head"].tobytes())
                arrays = {name: content[name].astype(np.int32) for name in content.files if name != "head"}
            groups = tuple(Group(grouping, name) for grouping, name in head["groups"])
            return cls(head["people"], int(head["population"]), tuple(head["points"]), groups, arrays)
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise InvalidParameter(f"{path} is not what an audit leaves beside its report: {error}") from error


def errors_of(source: Enrolment | ScoreTable, evidence: Evidence, points: Sequence[OperatingPoint]) -> Errors | None:
    """Who was erred about; None where nobody knows the subjects."""
    if evidence.population is None:
        return None
    numbers, population, people = _numbering(source, evidence.population)
    existing = [point for point in points if point.threshold is not None]
    groups = [group for group in evidence.groups if (group, group) in evidence.non_mated]
    arrays: Arrays = {}
    for place, group in enumerate(groups):
        within, mated = evidence.non_mated[group, group], evidence.mated.get(group)
        pairing = within.pairing
        if isinstance(pairing, FullPairing):
            images = np.zeros(population, np.int32)
            images[numbers] = pairing.images
            arrays[f"{place}.images"] = images
        elif isinstance(pairing, ListedPairing):
            arrays[f"{place}.left"], arrays[f"{place}.right"] = numbers[pairing.left], numbers[pairing.right]
        if mated is not None:
            arrays[f"{place}.mated"] = numbers[mated.subjects]
        for number, point in enumerate(existing):
            assert point.threshold is not None
            known = int(np.searchsorted(-within.scores, -point.threshold, side="right"))
            arrays[f"{number}.{place}.left"] = numbers[within.left[:known]]
            arrays[f"{number}.{place}.right"] = numbers[within.right[:known]]
            if mated is not None:
                arrays[f"{number}.{place}.missed"] = numbers[mated.subjects[mated.scores < point.threshold]]
    return Errors(people, population, tuple(point.name for point in existing), tuple(groups), arrays)


def differences(one: Errors, one_point: str, other: Errors, other_point: str, *, confidence: float) -> list[Difference]:
    """How much each group's error rates differ between two audits, `other` minus `one`.

    Subjects are drawn with replacement, the same for both; the intervals are the difference and so many standard errors
    of it, wide enough for all of them to hold together (Bonferroni). Raises `InvalidParameter` where the two are not
    about the same people, or a point is unknown.
    """
    if (one.people, one.population) != (other.people, other.population):
        raise InvalidParameter(
            "The two audits are not about the same data: audit both engines with one card and one folder of photos."
        )
    first, second = one.place(one_point), other.place(other_point)
    shared = [group for group in one.groups if group in other.groups]
    nobody_twice = np.ones((1, one.population))
    drawn = _Drawn(one, first, other, second)
    for group in shared:
        drawn.add(group, nobody_twice)
    for weights in in_batches(subject_weights(one.population, REPLICATES, SEED)):
        for group in shared:
            drawn.add(group, weights)
    return drawn.differences(confidence)


class _Drawn:
    """Rates of both audits in replicates, the first of which is what was measured."""

    def __init__(self, one: Errors, first: int, other: Errors, second: int) -> None:
        self._sides = ((one, first), (other, second))
        self._rates: dict[tuple[str, Group], list[NDArray[np.float64]]] = {}

    def add(self, group: Group, weights: NDArray[np.float64]) -> None:
        """More replicates of a group."""
        fmrs = [errors.fmr(point, errors.groups.index(group), weights) for errors, point in self._sides]
        self._rates.setdefault(("FMR", group), []).append(np.stack(fmrs))
        fnmrs = [errors.fnmr(point, errors.groups.index(group), weights) for errors, point in self._sides]
        known = [rates for rates in fnmrs if rates is not None]
        if len(known) == len(fnmrs):
            self._rates.setdefault(("FNMR", group), []).append(np.stack(known))

    def differences(self, confidence: float) -> list[Difference]:
        """What they come to."""
        reach = normal_quantile(confidence, len(self._rates))
        found = []
        for (error, group), parts in self._rates.items():
            rates = np.concatenate(parts, axis=1)
            measured, replicates = rates[:, 0], rates[:, 1:]
            difference = float(measured[1] - measured[0])
            spread = float((replicates[1] - replicates[0]).std())
            interval = Interval(low=difference - reach * spread, high=difference + reach * spread)
            found.append(
                Difference.model_validate(
                    {
                        "grouping": group.grouping,
                        "group": group.name,
                        "error": error,
                        "one": float(measured[0]) or None,
                        "other": float(measured[1]) or None,
                        "difference": difference,
                        "interval": interval,
                        "real": spread > 0 and not interval.low <= 0 <= interval.high,
                    }
                )
            )
        return found


def _numbering(source: Enrolment | ScoreTable, population: int) -> tuple[NDArray[np.int32], int, str]:
    """What the evidence's subjects are called in the data set: the same in every audit of it."""
    if isinstance(source, ScoreTable):
        assert source.left is not None
        assert source.right is not None
        rows = hashlib.sha256()
        for column in (source.left, source.right, source.mated):
            rows.update(np.ascontiguousarray(column).tobytes())
        return np.arange(population, dtype=np.int32), population, rows.hexdigest()
    enrolled = sorted({image.identity for image in source.images})
    everybody = sorted({image.identity for image in source.data_set.images})
    places = {identity: place for place, identity in enumerate(everybody)}
    return np.array([places[identity] for identity in enrolled], np.int32), len(everybody), source.digest
