"""The journal of a bulk run."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

from countenance.cli.journal import Journal, Outcome, Unindexed, key_of

OUTCOME = Outcome(faces=2, unindexed=(Unindexed(("LOW_SHARPNESS", "EXTREME_POSE"), (0.1, 0.2, 0.3, 0.4)),))


def test_what_was_recorded_is_found_again(tmp_path: Path) -> None:
    """Also by another process that comes later; the file is its owner's alone."""
    key = key_of(1, "path", None, Path("/photos/a.jpg"))
    with contextlib.closing(Journal(tmp_path / "journal")) as journal:
        assert journal.find(key) is None
        journal.record(key, OUTCOME)
    with contextlib.closing(Journal(tmp_path / "journal")) as journal:
        found = journal.find(key)
    assert found is not None
    assert (found.faces, found.refused) == (2, None)
    assert [(tuple(one.reasons), tuple(one.bounding_box)) for one in found.unindexed] == [
        (("LOW_SHARPNESS", "EXTREME_POSE"), (0.1, 0.2, 0.3, 0.4))
    ]
    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o600


def test_no_file_is_named_in_it(tmp_path: Path) -> None:
    """File names may be names of people, and a photo that is erased leaves none behind."""
    with contextlib.closing(Journal(tmp_path / "journal")) as journal:
        journal.record(key_of(Path("/photos/ann-smith.jpg")), OUTCOME)
    assert not any(b"ann-smith" in file.read_bytes() for file in tmp_path.iterdir())


def test_every_fact_counts_and_none_runs_into_the_next() -> None:
    """Different work has different keys; names that are no text have keys too."""
    keys = {key_of("a", "b"), key_of("ab", ""), key_of("a", "c"), key_of("a,b"), key_of("\udcff")}
    assert len(keys) == 5
