"""Finding the photo that a face came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from countenance.cli.folders import Naming, photos_of
from countenance.cli.originals import AMBIGUOUS_PHOTO, NO_PHOTO, Originals
from countenance.errors import InvalidParameter
from countenance.faces import BoundingBox
from countenance.service.source import SourceFace

IMAGE = "11111111-2222-3333-4444-555555555555"


def face(external_image_id: str | None, image_id: str = IMAGE) -> SourceFace:
    """A face of the source."""
    return SourceFace("0" * 8, image_id, external_image_id, BoundingBox(0, 0, 1, 1), None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos, two of them of one name."""
    for name in ("ann.jpg", "2023/bob.jpg", "2024/bob.jpg", "2024/Zoë.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"photo")
    return tmp_path


@pytest.mark.parametrize(
    ("external_image_id", "photo"),
    [
        ("ann.jpg", "ann.jpg"),
        ("ann", "ann.jpg"),
        ("2024:bob.jpg", "2024/bob.jpg"),
        ("bob.jpg", AMBIGUOUS_PHOTO),
        ("bob", AMBIGUOUS_PHOTO),
        ("eve", NO_PHOTO),
        (None, NO_PHOTO),
    ],
)
def test_a_name_leads_to_its_photo_or_to_none(folder: Path, external_image_id: str | None, photo: str) -> None:
    """By path, by name, by stem; never by guessing."""
    found = Originals(folder, None).find(face(external_image_id))
    assert found == (folder / photo if "." in photo else photo)


def test_ids_of_our_own_making_lead_back(folder: Path) -> None:
    """A collection that `countenance index` filled elsewhere moves by the same folder."""
    originals = Originals(folder, None)
    for photo in photos_of(folder):
        assert originals.find(face(photo.external_image_id(Naming.PATH))) == photo.path


def test_a_manifest_goes_before_names(folder: Path) -> None:
    """By ImageId first, then by ExternalImageId; its paths are below the folder, or its own."""
    manifest = folder / "manifest.csv"
    manifest.write_text(f"\ufeffimage,image_id,external_image_id\n2023/bob.jpg,{IMAGE},\n2024/bob.jpg,,ann\n,,eve\n")
    other = IMAGE.replace("1", "9")
    for originals in (Originals(folder, manifest), Originals(None, manifest)):
        assert originals.find(face("anything")) == folder / "2023/bob.jpg"
        assert originals.find(face("ann", other)) == folder / "2024/bob.jpg"
        assert originals.find(face("eve", other)) == NO_PHOTO


@pytest.mark.parametrize("content", [b"file,image_id\n", b"image\n", b"", b"image,image_id\n\xff\xfe,1\n"])
def test_a_manifest_that_says_nothing_is_refused(tmp_path: Path, content: bytes) -> None:
    """With what it needs."""
    manifest = tmp_path / "manifest.csv"
    manifest.write_bytes(content)
    with pytest.raises(InvalidParameter, match=r"image|UTF-8"):
        Originals(None, manifest)
