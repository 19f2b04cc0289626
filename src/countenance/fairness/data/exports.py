"""Templates out of a collection file, as `countenance export` writes it (docs/collection-file.md), labelled by a card.

The card is that of a data set. What it calls `images` are the ExternalImageIds of the faces, as they are or as
`countenance index` makes them of paths (`front/1.jpg` is `front:1.jpg`), or their FaceIds:

    [manifest]
    file = "staff.csv"
    images = ["{badge}"]                        # an ExternalImageId or a FaceId
    subject = "{person}"
    groupings = [["gender"]]
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countenance.errors import InvalidParameter
from countenance.fairness.data.datasets import Image, described, images_of_rows, with_corrections
from countenance.fairness.data.enrolment import Enrolment, digest_of
from countenance.gallery.collection_file import FACE, Header, batches_of, header_of, opened
from countenance.gallery.faces import UNIT_NORM_TOLERANCE
from countenance.storage.templates import unpack


@dataclass(frozen=True, slots=True, eq=False)
class _Face:
    face_id: str
    image_id: str
    area: float
    template: bytes


def read_export(
    export: Path, card: Path, folder: Path, groupings: Sequence[Sequence[str]] | None = None
) -> tuple[Enrolment, Header]:
    """The faces of a collection file that the manifest, in `folder`, labels; and what the file says of itself.

    Of a photo with several faces the largest is taken, as the server takes it. Photos that share an ExternalImageId
    are images of one row. Faces that no row names are nobody's business, and are left out. Nobody knows how many
    photos failed to enrol: `Enrolment.failures` is None. The digest is over templates instead of files.
    Raises `InvalidParameter` for a file, card or manifest that cannot be understood, and where the manifest names an
    image without a face, unless it says `skip_missing`.
    """
    description = described(card, groupings)
    if description.manifest.file is None:
        raise InvalidParameter(f"{card} needs a manifest: a file of templates has no folders.")
    rows = list(images_of_rows(description, folder))
    names = {image.name for image in rows}
    if len(names) != len(rows):
        raise InvalidParameter(f"{description.manifest.file} names an image twice: give each image one row.")
    header, faces = _read(export, names)
    images: list[Image] = []
    templates: list[bytes] = []
    for row in rows:
        found = faces.get(row.name, [])
        if not found and not description.manifest.skip_missing:
            raise InvalidParameter(
                f"{description.manifest.file} names {row.name!r}, and no face in {export} has this ExternalImageId or "
                f"FaceId; the card may say skip_missing = true."
            )
        for face in found:
            name = row.name if len(found) == 1 else f"{row.name}/{face.face_id}"
            images.append(replace(row, name=name))
            templates.append(face.template)
    if not images:
        raise InvalidParameter(f"{card} names no face that is in {export}.")
    data_set = with_corrections(description, images, card)
    lines = [
        "\t".join((hashlib.sha256(template).hexdigest(), image.subject, image.identity, *image.groups))
        for image, template in zip(data_set.images, templates, strict=True)
    ]
    return Enrolment(data_set, data_set.images, _vectors(export, templates), None, digest_of(lines)), header


def _read(export: Path, names: set[str]) -> tuple[Header, dict[str, list[_Face]]]:
    """The faces that each of `names` names: of every photo the largest, in the order of the file."""
    named = {name.replace("/", ":"): name for name in names} | {name: name for name in names}
    faces: dict[str, dict[str, _Face]] = {}
    with opened(export) as file:
        header = header_of(file)
        for batch in batches_of(file):
            for row in batch.to_pylist():
                name = named.get(row["external_image_id"] or "") or named.get(row["face_id"] or "")
                if row["kind"] != FACE or name is None:
                    continue
                if row["face_model_version"] != header.face_model_version or row["template"] is None:
                    raise InvalidParameter(f"{export} is damaged: a face has no template of the collection's version.")
                face = _Face(row["face_id"], row["image_id"], row["box_width"] * row["box_height"], row["template"])
                other = faces.setdefault(name, {}).setdefault(face.image_id, face)
                if face.area > other.area:
                    faces[name][face.image_id] = face
    return header, {name: list(of_photos.values()) for name, of_photos in faces.items()}


def _vectors(export: Path, templates: Sequence[bytes]) -> NDArray[np.float32]:
    if len({len(template) for template in templates}) != 1 or len(templates[0]) % 2 or not templates[0]:
        raise InvalidParameter(f"{export} is damaged: its templates have different lengths.")
    vectors = np.stack([unpack(template) for template in templates])
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.all(np.abs(norms - 1) <= UNIT_NORM_TOLERANCE):
        raise InvalidParameter(f"{export} is damaged: a template is not of unit norm.")
    # Half floats are up to 0.05 % off, and cosines with them.
    units: NDArray[np.float32] = vectors / norms
    return units
