"""Reports: what was not done and why, one row a case, as CSV or as JSON lines."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import typer

SUFFIXES = frozenset({".csv", ".jsonl"})


def _report(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in SUFFIXES:
        raise typer.BadParameter("a report is a .csv or a .jsonl file")
    return path


ReportOption = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        callback=_report,
        dir_okay=False,
        show_default=False,
        help="Where to write what was left out and why, as .csv or .jsonl; a file in the data folder when absent.",
    ),
]


class Report:
    """Rows on their way into a file, which appears when the report is complete, also when the work was interrupted.

    A report that nobody named a file for is kept only if it has rows.
    """

    def __init__(self, path: Path | None, default: Path, columns: Sequence[str]) -> None:
        self._wanted = path is not None
        self.path = path or default
        self._columns = columns
        self.reasons: Counter[str] = Counter()

    @classmethod
    def of(cls, what: str, collection_id: str, data: Path, path: Path | None, columns: Sequence[str]) -> Self:
        """A report on `what` was done to a collection; in the data folder when no `path` is given."""
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        return cls(path, data / "reports" / f"{what}-{collection_id}-{now}.csv", columns)

    def __enter__(self) -> Self:
        if not self._wanted:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
        self._partial = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        descriptor = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        # File names may be no Unicode; what cannot be written of them is escaped.
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="")
        self._csv = None if self.path.suffix.lower() == ".jsonl" else csv.writer(self._file)
        if self._csv is not None:
            self._csv.writerow(self._columns)
        return self

    def add(self, reason: str, **row: str | float | None) -> None:
        """One row; `reason` is what the summary counts."""
        self.reasons[reason] += 1
        full: Mapping[str, str | float | None] = {"reason": reason, **row}
        if self._csv is not None:
            self._csv.writerow([full.get(column) for column in self._columns])
        else:
            self._file.write(json.dumps(full) + "\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self.is_kept:
            self._partial.replace(self.path)
        else:
            self._partial.unlink()

    @property
    def is_kept(self) -> bool:
        """Whether there is, or will be, a file."""
        return self._wanted or bool(self.reasons)
