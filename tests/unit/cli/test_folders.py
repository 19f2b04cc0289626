"""Folders of photos, and the names that lead back to them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.aws.model import pattern, service_model
from countenance.cli.folders import Naming, PhotoOnDisk, external_image_id, photos_of


def test_photos_come_in_the_order_of_their_names_and_folders(tmp_path: Path) -> None:
    """What is hidden, no photo, or behind a link to a folder is left out; a walk ends in spite of a loop."""
    for name in ("b.JPG", "a.png", "2/y.heic", "2/x.webp", "1/deep/z.jpeg", ".hidden.jpg", ".cache/t.jpg", "n.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    found = list(photos_of(tmp_path))
    assert [photo.relative for photo in found] == ["a.png", "b.JPG", "1/deep/z.jpeg", "2/x.webp", "2/y.heic"]
    assert {photo.size for photo in found} == {5}


@pytest.mark.parametrize(
    ("naming", "expected"),
    [(Naming.PATH, "2024:ann.jpg"), (Naming.NAME, "ann.jpg"), (Naming.STEM, "ann"), (Naming.NONE, None)],
)
def test_the_name_is_what_was_asked_for_of_the_path(naming: Naming, expected: str | None) -> None:
    """A name Rekognition takes is taken as it is."""
    assert PhotoOnDisk(Path("/photos"), "2024/ann.jpg", 1, 1).external_image_id(naming) == expected


def test_names_of_all_scripts_stay_apart() -> None:
    """Two names that are the same in Rekognition's letters get different ids; the same name always gets the same."""
    names = ["Müller.jpg", "Muller .jpg", "王芳.jpg", "李强.jpg"]
    ids = [external_image_id(name) for name in names]
    assert len(set(ids)) == len(names)
    assert re.fullmatch(r"Muller\.jpg-[0-9a-f]{8}", ids[0])
    assert ids == [external_image_id(name) for name in names]


@settings(deadline=None)
@given(st.lists(st.text(min_size=1).filter(lambda name: "/" not in name and "\0" not in name), min_size=2, unique=True))
def test_every_name_becomes_an_id_that_rekognition_takes(names: list[str]) -> None:
    """Whatever a file may be called, also bytes that are no text."""
    shape = service_model().shape_for("ExternalImageId").metadata
    ids = [
        external_image_id(name.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")) for name in names
    ]
    assert all(shape["min"] <= len(one) <= shape["max"] and pattern(shape["pattern"]).fullmatch(one) for one in ids)
    assert len(set(ids)) == len(names)
