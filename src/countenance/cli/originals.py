"""The photos that the faces of another endpoint came from, found by what the operator says of them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from countenance.cli.folders import Naming, PhotoOnDisk, photos_of
from countenance.errors import InvalidParameter
from countenance.service.source import SourceFace

NO_PHOTO: Final = "NO_PHOTO"
AMBIGUOUS_PHOTO: Final = "AMBIGUOUS_PHOTO"


class Originals:
    """Finds the photo of a face: by the manifest's ImageId, then by its ExternalImageId, then by the file's name."""

    def __init__(self, folder: Path | None, manifest: Path | None) -> None:
        """Raises `InvalidParameter` for a manifest that cannot be understood."""
        self._by_image_id: dict[str, set[Path]] = {}
        by_external_id: dict[str, set[Path]] = {}
        if manifest is not None:
            self._read(manifest, folder or manifest.parent, by_external_id)
        photos = [] if folder is None else list(photos_of(folder))
        # The surest way to name a photo first: a file's path is its own, its stem may be another's too.
        self._by_external_id = [
            by_external_id,
            *(_by_name(photos, naming) for naming in (Naming.PATH, Naming.NAME, Naming.STEM)),
        ]

    def find(self, face: SourceFace) -> Path | str:
        """The photo, or the reason why there is none: `NO_PHOTO`, or `AMBIGUOUS_PHOTO` when it may be several."""
        found = self._by_image_id.get(face.image_id)
        if found is None and face.external_image_id is not None:
            found = next(
                (names[face.external_image_id] for names in self._by_external_id if face.external_image_id in names),
                None,
            )
        if found is None:
            return NO_PHOTO
        if len(found) > 1:
            return AMBIGUOUS_PHOTO
        return next(iter(found))

    def _read(self, manifest: Path, folder: Path, by_external_id: dict[str, set[Path]]) -> None:
        try:
            with manifest.open(encoding="utf-8-sig", newline="") as file:
                rows = csv.DictReader(file)
                columns = set(rows.fieldnames or ())
                if "image" not in columns or not columns & {"image_id", "external_image_id"}:
                    raise InvalidParameter(
                        f"{manifest} needs a column named image, and image_id or external_image_id or both."
                    )
                for row in rows:
                    if row["image"]:
                        for column, named in (("image_id", self._by_image_id), ("external_image_id", by_external_id)):
                            if row.get(column):
                                named.setdefault(row[column], set()).add(folder / row["image"])
        except (UnicodeDecodeError, csv.Error) as error:
            raise InvalidParameter(f"{manifest} is not a CSV file in UTF-8: {error}.") from error


def _by_name(photos: Iterable[PhotoOnDisk], naming: Naming) -> dict[str, set[Path]]:
    named: dict[str, set[Path]] = {}
    for photo in photos:
        external_image_id = photo.external_image_id(naming)
        assert external_image_id is not None
        named.setdefault(external_image_id, set()).add(photo.path)
    return named
