"""Templates of a collection that was exported are measured as photos are, with labels from a manifest."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from countenance.errors import InvalidParameter
from countenance.faces import BoundingBox, Template
from countenance.fairness.data.enrolment import Enrolment
from countenance.fairness.data.exports import read_export
from countenance.gallery.collections import Collections
from countenance.gallery.exchange import export_collection
from countenance.gallery.faces import Faces, NewFace
from countenance.storage.database import Database

CARD = """
name = "Staff"
source = "human resources"
licence = "internal"
labels = "self-reported"

[manifest]
file = "staff.csv"
images = ["front/{badge}.jpg", "side/{badge}.jpg"]
subject = "{badge}"
taken = ["2015", "2024"]
groupings = [["gender"]]
"""

MANIFEST = "badge,gender\n1,f\n2,m\n"


@dataclass
class Export:
    """An export with two photos of two people, and what describes it."""

    folder: Path
    face_ids: list[str]

    @property
    def file(self) -> Path:
        return self.folder / "staff.parquet"

    def read(self, card: str = CARD, manifest: str = MANIFEST) -> Enrolment:
        (self.folder / "card.toml").write_text(card)
        (self.folder / "staff.csv").write_text(manifest)
        enrolment, header = read_export(self.file, self.folder / "card.toml", self.folder)
        assert header.face_model_version == "model-1"
        return enrolment


def _face(seed: int, width: float = 0.2) -> NewFace:
    vector = np.random.default_rng(seed).normal(size=128)
    template = Template((vector / np.linalg.norm(vector)).astype(np.float32), "model-1")
    return NewFace(BoundingBox(0.1, 0.1, width, 0.2), 99.5, template)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, list[str]]]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('gallery') / 'countenance.sqlite'}")
    database.migrate()
    Collections(database).create("staff", "model-1")
    faces = Faces(database)
    face_ids: list[str] = []
    for name, enrolled in {
        "front:1.jpg": [_face(1)],
        "side:1.jpg": [_face(20, 0.1), _face(2), _face(21, 0.05)],
        "front:2.jpg": [_face(3)],
        "side:2.jpg": [_face(4)],
        "visitor": [_face(5)],
        None: [_face(6)],
    }.items():
        face_ids += [face.face_id for face in faces.index("staff", str(uuid.uuid4()), name, enrolled)]
    yield database, face_ids
    database.close()


@pytest.fixture
def export(gallery: tuple[Database, list[str]], tmp_path: Path) -> Export:
    database, face_ids = gallery
    export_collection(database, "staff", tmp_path / "staff.parquet")
    return Export(tmp_path, face_ids)


def test_the_card_for_photos_labels_the_faces_that_were_indexed_from_them(export: Export) -> None:
    enrolment = export.read()
    assert [(image.name, image.subject, image.groups, image.years) for image in enrolment.images] == [
        ("front/1.jpg", "1", ("gender=f",), 2015),
        ("side/1.jpg", "1", ("gender=f",), 2024),
        ("front/2.jpg", "2", ("gender=m",), 2015),
        ("side/2.jpg", "2", ("gender=m",), 2024),
    ]
    expected = np.stack([_face(seed).template.vector for seed in (1, 2, 3, 4)])
    assert np.einsum("nd,nd->n", enrolment.templates, expected) == pytest.approx(1, abs=1e-6)
    assert enrolment.failures is None, "nobody knows which photos were never indexed"
    assert enrolment.data_set.subjects == 2
    assert enrolment.digest == export.read().digest != export.read(manifest="badge,gender\n1,f\n2,f\n").digest


def test_faces_can_be_named_by_their_ids(export: Export) -> None:
    card = CARD.replace('images = ["front/{badge}.jpg", "side/{badge}.jpg"]', 'images = ["{face}"]')
    card = card.replace('taken = ["2015", "2024"]\n', "")
    enrolment = export.read(card, f"face,badge,gender\n{export.face_ids[-1]},9,f\n{export.face_ids[0]},1,f\n")
    assert [image.subject for image in enrolment.images] == ["9", "1"]
    assert enrolment.templates[0] @ _face(6).template.vector == pytest.approx(1, abs=1e-6)


def test_photos_that_share_a_name_are_of_one_row(gallery: tuple[Database, list[str]], tmp_path: Path) -> None:
    database, _ = gallery
    collection = f"shared-{uuid.uuid4()}"
    Collections(database).create(collection, "model-1")
    for seed in (1, 2):
        Faces(database).index(collection, str(uuid.uuid4()), "badge-7", [_face(seed)])
    export_collection(database, collection, tmp_path / "staff.parquet")
    card = CARD.replace('images = ["front/{badge}.jpg", "side/{badge}.jpg"]', 'images = ["badge-{badge}"]')
    card = card.replace('taken = ["2015", "2024"]\n', "")
    enrolment = Export(tmp_path, []).read(card, "badge,gender\n7,f\n")
    assert [image.subject for image in enrolment.images] == ["7", "7"]
    assert len({image.name for image in enrolment.images}) == 2


def test_a_row_without_a_face_is_refused_unless_some_may_lack_one(export: Export) -> None:
    manifest = MANIFEST + "3,f\n"
    with pytest.raises(InvalidParameter, match=r"front/3\.jpg.*skip_missing"):
        export.read(manifest=manifest)
    assert len(export.read(CARD.replace("groupings", "skip_missing = true\ngroupings"), manifest).images) == 4


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        ("badge,gender\n", "names no face"),
        ("badge,gender\n1,f\n1,f\n", "twice"),
        ("badge\n1\n", "gender"),
        ("badge,gender\n../../1,f\n", "not in the folder"),
    ],
)
def test_a_manifest_that_cannot_be_followed_is_refused(export: Export, manifest: str, told: str) -> None:
    with pytest.raises(InvalidParameter, match=told):
        export.read(manifest=manifest)


def test_faces_without_a_name_are_not_those_of_a_row_without_one(export: Export) -> None:
    card = CARD.replace('images = ["front/{badge}.jpg", "side/{badge}.jpg"]', 'images = ["{badge}"]')
    card = card.replace('taken = ["2015", "2024"]\n', "")
    with pytest.raises(InvalidParameter, match="names ''"):
        export.read(card, "badge,gender\n,f\n")


def test_what_is_no_export_is_refused(export: Export) -> None:
    whole = export.file.read_bytes()
    columns = pq.read_table(export.file)
    export.file.unlink()
    for spoil in (b"", whole[: len(whole) // 2], b"badge,gender\n"):
        export.file.write_bytes(spoil)
        with pytest.raises(InvalidParameter, match="not a collection file"):
            export.read()
    pq.write_table(columns.replace_schema_metadata(None), export.file)
    with pytest.raises(InvalidParameter, match="not made by an export"):
        export.read()


def test_folders_label_no_templates(export: Export) -> None:
    with pytest.raises(InvalidParameter, match="needs a manifest"):
        export.read(CARD[: CARD.index("[manifest]")] + '[manifest]\nfolders = ["gender", "subject"]\n')
