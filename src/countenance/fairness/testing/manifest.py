"""Labelled pairs as a tester brings them: a table with a row a pair, and a folder of photos.

    left,right,mated,gender_left,gender_right
    0007/a.jpg,0007/b.jpg,1,woman,woman
    0007/a.jpg,0012/a.jpg,0,woman,man

The columns `left` and `right` name the two photos by their paths in the folder; all others are the tester's own. They
are carried into the table of scores, and never sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from countenance.errors import InvalidParameter
from countenance.fairness.data import tables

SIDES = ("left", "right")

# What a test adds to the columns of the manifest.
COSINE, SIMILARITY = "cosine", "similarity"


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """A row of the manifest: its photos by their paths in the folder, and every column of it."""

    left: str
    right: str
    row: Mapping[str, str]


class PairManifest:
    """The pairs of a table, as often as they are asked for; none is held. `digest`: SHA-256 of the table's file."""

    def __init__(self, table: Path, photos: Path) -> None:
        """Reads the table once, and looks whether every photo is there.

        Raises `InvalidParameter`, which names the row, for a table that cannot be read or has no pair, and for a row
        that names one photo twice, or one that is missing or outside the folder.
        """
        self._table = table
        self._root = photos.resolve()
        self.columns: tuple[str, ...] = ()
        self.count = 0
        self.digest = _digest(table)
        for number, row in enumerate(tables.rows(table), start=1):
            if number == 1:
                self.columns = self._columns(row)
            self._check(number, row)
            self.count = number
        if not self.count:
            raise InvalidParameter(f"{table} has no pair: give each pair a row.")

    def pairs(self) -> Iterator[LabelledPair]:
        """Every pair, in the order of the table."""
        for row in tables.rows(self._table):
            yield LabelledPair(row["left"], row["right"], row)

    def path(self, photo: str) -> Path:
        """Where a photo of a pair lies."""
        return self._root / photo

    def _columns(self, row: Mapping[str, str]) -> tuple[str, ...]:
        for name in SIDES:
            if name not in row:
                raise InvalidParameter(
                    f"{self._table} lacks the column {name!r}: name the two photos of a pair by left and right."
                )
        for name in (COSINE, SIMILARITY):
            if name in row:
                raise InvalidParameter(f"{self._table} has a column {name!r} already: rename it, the test adds one.")
        return tuple(row)

    def _check(self, number: int, row: Mapping[str, str]) -> None:
        for side in SIDES:
            path = (self._root / row[side]).resolve()
            if not row[side] or not path.is_relative_to(self._root) or not path.is_file():
                raise InvalidParameter(f"{self._table}, row {number}: {row[side]!r} is no file in {self._root}.")
        if row["left"] == row["right"]:
            raise InvalidParameter(f"{self._table}, row {number} is a pair of one photo: name two.")


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidParameter(f"{path} cannot be read: {error.strerror}.") from error
