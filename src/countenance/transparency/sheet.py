"""Counts by name, and which of them add up to which: all that a reader of the report could calculate with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

# A count: what is counted, and of which part of the whole (as sorted pairs of dimension and value).
Name = tuple[str, tuple[tuple[str, str], ...]]

# The row and the column of totals.
ALL = "all"


def name(quantity: str, of: Mapping[str, str] | None = None) -> Name:
    """The name of a count: of everything, or of what has these values."""
    return quantity, tuple(sorted((of or {}).items()))


@dataclass(frozen=True)
class Table:
    """Rows and columns of counts. `cells` has the name of the count at each (row, column)."""

    name: str
    section: str
    title: str
    row: str
    column: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: Mapping[tuple[str, str], Name]
    note: str = ""


@dataclass(frozen=True)
class Axis:
    """A dimension of a table: its values in their order, and whether their total is told."""

    dimension: str
    values: tuple[str, ...]
    total: bool = True

    @property
    def all_values(self) -> tuple[str, ...]:
        """With the total."""
        return (*self.values, ALL) if self.total else self.values


def axis(dimension: str, values: Iterable[str], *, total: bool = True) -> Axis:
    """A dimension with values in alphabetical order: any order by number would tell about what is suppressed."""
    return Axis(dimension, tuple(sorted(set(values))), total)


@dataclass
class Sheet:
    """Counts, and the sums that hold between them: (total, parts).

    `essential` are counts that readers come for: where another could be withheld in their place, it is.
    """

    counts: dict[Name, int] = field(default_factory=dict)
    sums: list[tuple[Name, tuple[Name, ...]]] = field(default_factory=list)
    essential: set[Name] = field(default_factory=set)

    def put(self, count: Name, value: int) -> Name:
        """Write a count down. One that is there already must be the same: a total is one number wherever it stands."""
        if self.counts.setdefault(count, value) != value:
            raise ValueError(f"{count} is {self.counts[count]} and {value}")
        return count

    def add_up(self, total: Name, parts: Iterable[Name]) -> Name:
        """Write down the total of counts that are there, and that it is their total."""
        parts = tuple(parts)
        self.put(total, sum(self.counts[part] for part in parts))
        self.sums.append((total, parts))
        return total

    def suspect(self, one: Name, other: Name) -> None:
        """Two counts that readers may take for the same: when they are equal, what is told of one is of both."""
        if one in self.counts and self.counts[one] == self.counts.get(other):
            self.sums.append((one, (other,)))

    def cross(
        self,
        quantity: str,
        counts: Mapping[tuple[str, str], int],
        row: Axis,
        column: Axis,
        *,
        where: Mapping[str, str] | None = None,
    ) -> dict[tuple[str, str], Name]:
        """Write counts by two dimensions down, with their totals; `where` says of which part of the whole they are.

        Answers the cells of a table.
        """
        of = dict(where or {})
        cells: dict[tuple[str, str], Name] = {}
        for r in row.values:
            for c in column.values:
                count = name(quantity, {**of, row.dimension: r, column.dimension: c})
                cells[r, c] = self.put(count, counts.get((r, c), 0))
        if column.total:
            for r in row.values:
                total = name(quantity, {**of, row.dimension: r})
                cells[r, ALL] = self.add_up(total, [cells[r, c] for c in column.values])
        if row.total:
            for c in column.values:
                total = name(quantity, {**of, column.dimension: c})
                cells[ALL, c] = self.add_up(total, [cells[r, c] for r in row.values])
        if row.total and column.total:
            whole = name(quantity, of)
            cells[ALL, ALL] = self.add_up(whole, [cells[r, ALL] for r in row.values])
            self.add_up(whole, [cells[ALL, c] for c in column.values])
        return cells


def table(
    identity: tuple[str, str, str],
    row: Axis,
    column: Axis,
    cells: Mapping[tuple[str, str], Name],
    *,
    note: str = "",
) -> Table:
    """A table of these cells; `identity` is its name, its section and its title."""
    return Table(*identity, row.dimension, column.dimension, row.all_values, column.all_values, cells, note)


def listed(rows: Sequence[str], dimension: str, cells: Mapping[str, Name], identity: tuple[str, str, str]) -> Table:
    """A table of one column, `count`."""
    return Table(*identity, dimension, "", tuple(rows), ("count",), {(row, "count"): cells[row] for row in rows})
