"""Scores that somebody else made: a table with a row per comparison, described by a card.

name = "Vendor's verification test"
source = "https://example.org/test"
licence = "proprietary"
labels = "self-reported"                    # or observed, inferred, none

[scores]
file = "pairs.csv"                          # .parquet is read too
score = "distance"                          # the column of the scores
higher = "different"                        # or alike: what a higher score says; distances are negated
mated = "same"                              # a column of 1 or 0, true or false, yes or no,
left = "subject_1"                          # and/or the columns of the two subjects
right = "subject_2"
groupings = [["gender", "race"], ["age_band"]]
[scores.columns]
gender = ["gender_1", "gender_2"]           # the columns of either side
race = ["race_1", "race_2"]
age_band = "age_band"                       # one column for both sides
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from countenance.errors import InvalidParameter
from countenance.fairness.data import tables
from countenance.fairness.data.datasets import Columns
from countenance.fairness.record import ALL, EVERYONE
from countenance.vision.calibration import DataSetCard

# About 2.5 GB with two groupings. Who has more has templates, which are compared without ever holding the scores.
MAX_COMPARISONS = 100_000_000

TRUE, FALSE = ("1", "true", "yes"), ("0", "false", "no")


class ScoreColumns(BaseModel):
    """Which columns of the table say what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    score: str
    higher: Literal["alike", "different"]
    mated: str | None = None
    left: str | None = None
    right: str | None = None
    groupings: tuple[Columns, ...] = ()
    columns: dict[str, str | tuple[str, str]] = {}

    @model_validator(mode="after")
    def _says_what_is_mated(self) -> Self:
        if (self.left is None) != (self.right is None):
            raise ValueError("left and right come together")
        if self.mated is None and self.left is None:
            raise ValueError("say which comparisons are mated: by `mated`, or by `left` and `right`")
        return self

    def sides(self, column: str) -> tuple[str, str]:
        """The columns of the table that hold a value of the left and of the right side. Raises `InvalidParameter`."""
        try:
            named = self.columns[column]
        except KeyError as error:
            known = ", ".join(self.columns) or "none"
            raise InvalidParameter(f"The card's [scores.columns] does not have {column!r}; it has {known}.") from error
        return (named, named) if isinstance(named, str) else named


@dataclass(frozen=True, slots=True, eq=False)
class TableGrouping:
    """Which group either side of every comparison is of: `left`, `right` int32 (m,), into `groups`; -1: of none."""

    name: str
    groups: tuple[str, ...]
    left: NDArray[np.int32]
    right: NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """Comparisons and their scores.

    `scores` float64 (m,), finite, higher is more alike; `mated` bool (m,); `left`, `right` int32 (m,): the subjects,
    numbered from 0 to `subjects` - 1 by first appearance, or None where the table does not say them. `groupings` begin
    with that of everyone. `digest`: SHA-256 of the file.
    """

    card: DataSetCard
    digest: str
    scores: NDArray[np.float64]
    mated: NDArray[np.bool_]
    left: NDArray[np.int32] | None
    right: NDArray[np.int32] | None
    subjects: int | None
    groupings: tuple[TableGrouping, ...]


def read_scores(card: Path, folder: Path | None = None, groupings: Sequence[Sequence[str]] | None = None) -> ScoreTable:
    """Read the table of scores described by the TOML file `card`, which is in `folder`, or beside the card.

    `groupings` replace those of the card. Raises `InvalidParameter` for a card or a table that cannot be understood,
    for a score that is missing or not a finite number, and where a row contradicts itself; the message names the row.
    """
    described, columns = _read_card(card)
    root = (card.parent if folder is None else folder).resolve()
    path = (root / columns.file).resolve()
    if not path.is_relative_to(root):
        raise InvalidParameter(f"{card} names the table {columns.file!r}, which is not in the folder {root}.")
    chosen = columns.groupings if groupings is None else tuple(dict.fromkeys(map(tuple, groupings)))
    if any(not names or len(set(names)) != len(names) for names in chosen):
        raise InvalidParameter("A grouping names one or more columns, each once.")
    reading = _Reading(path, columns, chosen)
    for batch in tables.batches(path, reading.wanted):
        reading.take(batch)
    return reading.finish(described)


def is_of_scores(card: Path) -> bool:
    """Whether a card describes a table of scores rather than photos. Raises `InvalidParameter` when it is no card."""
    return "scores" in _content(card)


def _content(card: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(card.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidParameter(f"{card} is not a card: {error}") from error


def _read_card(card: Path) -> tuple[DataSetCard, ScoreColumns]:
    content = _content(card)
    try:
        columns = ScoreColumns.model_validate(content.pop("scores", None))
        return DataSetCard(**content), columns
    except (ValidationError, TypeError) as error:
        raise InvalidParameter(f"{card} is not the card of a table of scores: {error}") from error


class _Names:
    """Numbers for texts, from 0 in the order in which they come."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def numbered(self, texts: pa.Array) -> NDArray[np.int32]:
        """The numbers of texts, int32; -1 for those that are empty."""
        encoded = texts.dictionary_encode()
        known = [
            self.numbers.setdefault(text, len(self.numbers)) if text else -1 for text in encoded.dictionary.to_pylist()
        ]
        numbers: NDArray[np.int32] = np.array(known, np.int32)[encoded.indices.to_numpy(zero_copy_only=False)]
        return numbers


class _Reading:
    """Takes the rows of a table, and believes none of them."""

    def __init__(self, path: Path, columns: ScoreColumns, groupings: Sequence[Sequence[str]]) -> None:
        self._path = path
        self._columns = columns
        self._groupings = groupings
        self._sides = [[columns.sides(name) for name in names] for names in groupings]
        sides = [column for grouping in self._sides for both in grouping for column in both]
        named = (columns.score, columns.mated, columns.left, columns.right, *sides)
        self.wanted = [name for name in named if name is not None]
        self._people = _Names()
        self._groups = [_Names() for _ in groupings]
        self._rows = 0
        self._scores: list[NDArray[np.float64]] = []
        self._mated: list[NDArray[np.bool_]] = []
        self._subjects: tuple[list[NDArray[np.int32]], list[NDArray[np.int32]]] = ([], [])
        self._of: list[tuple[list[NDArray[np.int32]], list[NDArray[np.int32]]]] = [([], []) for _ in groupings]

    def take(self, batch: pa.RecordBatch) -> None:
        """Appends the rows of a batch."""
        columns = self._columns
        if self._rows + batch.num_rows > MAX_COMPARISONS:
            raise InvalidParameter(f"{self._path} has more than {MAX_COMPARISONS:,} rows: bring templates instead.")
        self._scores.append(self._finite(batch.column(columns.score)))
        stated = None if columns.mated is None else self._truths(batch.column(columns.mated))
        if columns.left is not None and columns.right is not None:
            left, right = (self._people.numbered(batch.column(name)) for name in (columns.left, columns.right))
            self._refuse((left < 0) | (right < 0), "lacks a subject")
            self._subjects[0].append(left)
            self._subjects[1].append(right)
            if stated is not None:
                self._refuse(stated & (left != right), "is mated, but of two subjects")
                self._refuse(~stated & (left == right), "is not mated, but of one subject")
            stated = left == right
        assert stated is not None
        self._mated.append(stated)
        for names, sides, numbers, parts in zip(self._groupings, self._sides, self._groups, self._of, strict=True):
            for side in (0, 1):
                values = [batch.column(both[side]) for both in sides]
                parts[side].append(numbers.numbered(_groups(names, values)))
        self._rows += batch.num_rows

    def finish(self, card: DataSetCard) -> ScoreTable:
        """The table."""
        if not self._rows:
            raise InvalidParameter(f"{self._path} has no rows.")
        scores = np.concatenate(self._scores)
        known = bool(self._subjects[0])
        everyone = np.zeros(self._rows, np.int32)
        groupings = [TableGrouping(ALL, (EVERYONE,), everyone, everyone)]
        for names, numbers, (left, right) in zip(self._groupings, self._groups, self._of, strict=True):
            groups = sorted(numbers.numbers)
            # The last place is for those of no group: -1 finds it.
            places = np.full(len(groups) + 1, -1, np.int32)
            places[[numbers.numbers[group] for group in groups]] = np.arange(len(groups), dtype=np.int32)
            sides = places[np.concatenate(left)], places[np.concatenate(right)]
            groupings.append(TableGrouping(", ".join(names), tuple(groups), *sides))
        with self._path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return ScoreTable(
            card=card,
            digest=digest,
            scores=scores if self._columns.higher == "alike" else -scores,
            mated=np.concatenate(self._mated),
            left=np.concatenate(self._subjects[0]) if known else None,
            right=np.concatenate(self._subjects[1]) if known else None,
            subjects=len(self._people.numbers) if known else None,
            groupings=tuple(groupings),
        )

    def _finite(self, texts: pa.Array) -> NDArray[np.float64]:
        try:
            scores: NDArray[np.float64] = pc.utf8_trim_whitespace(texts).cast(pa.float64()).to_numpy()
        except pa.ArrowInvalid:
            scores = np.array([_number(text) for text in texts.to_pylist()])
        self._refuse(~np.isfinite(scores), "has no score, or one that is not a finite number")
        return scores

    def _truths(self, texts: pa.Array) -> NDArray[np.bool_]:
        lower = pc.utf8_lower(pc.utf8_trim_whitespace(texts))
        true, false = (pc.is_in(lower, pa.array(words)).to_numpy(zero_copy_only=False) for words in (TRUE, FALSE))
        self._refuse(~(true | false), "does not say by 1 or 0, true or false, yes or no whether it is mated")
        mated: NDArray[np.bool_] = true
        return mated

    def _refuse(self, wrong: NDArray[np.bool_], why: str) -> None:
        if wrong.any():
            row = self._rows + int(np.argmax(wrong)) + 1
            raise InvalidParameter(f"{self._path}: row {row:,} after the header {why}.")


def _groups(names: Sequence[str], values: Sequence[pa.Array]) -> pa.Array:
    """Texts such as "gender=Female, race=Black"; empty where a value is."""
    said = [pc.binary_join_element_wise(f"{name}=", value, "") for name, value in zip(names, values, strict=True)]
    group = pc.binary_join_element_wise(*said, ", ")
    for value in values:
        group = pc.if_else(pc.equal(pc.utf8_trim_whitespace(value), ""), "", group)
    return group


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
