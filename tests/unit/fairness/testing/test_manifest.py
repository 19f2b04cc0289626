"""What a tester's table of pairs must be."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from countenance.errors import InvalidParameter
from countenance.fairness.testing.manifest import PairManifest


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with two files, one below; and one beside it."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for path in (folder / "a.jpg", folder / "sub" / "b.jpg", tmp_path / "secret.jpg"):
        path.write_bytes(b"photo")
    return folder


def table(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_pairs_are_read_with_all_that_is_known_of_them(tmp_path: Path, photos: Path) -> None:
    path = table(tmp_path, "left,right,mated,note", 'a.jpg,sub/b.jpg,1,"one, two"', "sub/b.jpg,a.jpg,0,")
    manifest = PairManifest(path, photos)
    assert (manifest.count, manifest.columns) == (2, ("left", "right", "mated", "note"))
    assert manifest.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    first, second = manifest.pairs()
    assert (first.left, first.right, first.row["note"]) == ("a.jpg", "sub/b.jpg", "one, two")
    assert second.row["mated"] == "0"
    assert manifest.path(second.left).read_bytes() == b"photo"


def test_parquet_is_read_too(tmp_path: Path, photos: Path) -> None:
    path = tmp_path / "pairs.parquet"
    pq.write_table(pa.table({"left": ["a.jpg"], "right": ["sub/b.jpg"], "mated": [True]}), path)
    (pair,) = PairManifest(path, photos).pairs()
    assert (pair.left, pair.right, pair.row["mated"]) == ("a.jpg", "sub/b.jpg", "true")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["left,right"], "has no pair"),
        (["left,other", "a.jpg,sub/b.jpg"], "lacks the column 'right'"),
        (["left,right,similarity", "a.jpg,sub/b.jpg,1"], "has a column 'similarity' already"),
        (["left,right", "a.jpg,sub/b.jpg", "a.jpg,gone.jpg"], "row 2: 'gone.jpg' is no file in"),
        (["left,right", "a.jpg,../secret.jpg"], r"row 1: '\.\./secret.jpg' is no file in"),
        (["left,right", "/etc/passwd,a.jpg"], "row 1: '/etc/passwd' is no file in"),
        (["left,right", "a.jpg,sub"], "row 1: 'sub' is no file in"),
        (["left,right", "a.jpg,"], "row 1: '' is no file in"),
        (["left,right", "a.jpg,a.jpg"], "row 1 is a pair of one photo"),
        (["left,right", "a.jpg"], "cannot be read as a CSV file"),
    ],
)
def test_what_is_no_pair_is_refused_by_its_row(tmp_path: Path, photos: Path, lines: list[str], told: str) -> None:
    with pytest.raises(InvalidParameter, match=told):
        PairManifest(table(tmp_path, *lines), photos)
