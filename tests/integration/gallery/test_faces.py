"""Faces: enrolled, enrolled again, listed and deleted."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from countenance.errors import InvalidParameter, ResourceConflict
from countenance.faces import BoundingBox, Template
from countenance.gallery.faces import AdoptedFace, Deletion, DeletionFailure, Face, NewFace, UndeletedFace

from .conftest import VERSION, Gallery

IMAGE = "11111111-2222-5333-8444-555555555555"


def _all_faces(gallery: Gallery, page_size: int = 1000) -> list[Face]:
    faces, after = [], None
    while True:
        page = gallery.faces.list("staff", after, page_size)
        faces += page.items
        if page.after is None:
            return faces
        after = page.after


class TestIndexing:
    def test_faces_come_back_in_order_with_what_was_said_of_them(self, gallery: Gallery) -> None:
        new = [gallery.face(left=left) for left in (0.5, 0.1, 0.3)]
        faces = gallery.faces.index("staff", IMAGE, "ann:1", new)
        assert [face.bounding_box for face in faces] == [face.bounding_box for face in new]
        assert {face.image_id for face in faces} == {IMAGE}
        assert {face.external_image_id for face in faces} == {"ann:1"}
        assert {(face.confidence, face.face_model_version, face.user_id) for face in faces} == {(99.5, VERSION, None)}
        assert len({str(uuid.UUID(face.face_id)) for face in faces}) == 3
        assert _all_faces(gallery) == faces

    def test_templates_are_kept_to_half_precision(self, gallery: Gallery) -> None:
        new = gallery.face()
        (face,) = gallery.faces.index("staff", IMAGE, None, [new])
        kept = gallery.faces.template("staff", face.face_id)
        assert kept.face_model_version == VERSION
        assert kept.vector.dtype == np.float32
        np.testing.assert_array_equal(kept.vector, new.template.vector.astype(np.float16).astype(np.float32))

    def test_no_face_is_nothing(self, gallery: Gallery) -> None:
        assert gallery.faces.index("staff", IMAGE, None, []) == []

    def test_the_same_image_again_gives_the_same_faces(self, gallery: Gallery) -> None:
        left, right = gallery.face(left=0.1), gallery.face(left=0.5)
        first = gallery.faces.index("staff", IMAGE, "ann", [left, right])
        again = gallery.faces.index("staff", IMAGE, "ann", [right, left])
        assert again == first[::-1]
        assert gallery.collections.get("staff").face_count == 2

    def test_a_box_that_moved_a_little_is_the_same_face(self, gallery: Gallery) -> None:
        (first,) = gallery.faces.index("staff", IMAGE, None, [gallery.face(left=0.10)])
        (moved,) = gallery.faces.index("staff", IMAGE, None, [gallery.face(left=0.13)])  # IoU 0.54
        (other,) = gallery.faces.index("staff", IMAGE, None, [gallery.face(left=0.14)])  # IoU 0.43
        assert moved == first
        assert other.face_id != first.face_id

    def test_two_faces_are_never_the_same_one(self, gallery: Gallery) -> None:
        (first,) = gallery.faces.index("staff", IMAGE, None, [gallery.face(left=0.10)])
        near, nearest = gallery.faces.index("staff", IMAGE, None, [gallery.face(left=0.12), gallery.face(left=0.101)])
        assert nearest == first
        assert near.face_id != first.face_id

    def test_a_face_found_only_now_joins_the_others(self, gallery: Gallery) -> None:
        (first,) = gallery.faces.index("staff", IMAGE, None, [gallery.face(left=0.1)])
        gallery.faces.index("staff", IMAGE, None, [gallery.face(left=0.5)])
        assert first in _all_faces(gallery)
        assert gallery.collections.get("staff").face_count == 2

    def test_another_external_image_id_means_other_faces(self, gallery: Gallery) -> None:
        new = gallery.face()
        ids = {
            gallery.faces.index("staff", IMAGE, external_image_id, [new])[0].face_id
            for external_image_id in (None, "ann", "bob", None, "ann")
        }
        assert len(ids) == 3

    def test_another_collection_of_the_version_knows_the_face_by_the_same_id(self, gallery: Gallery) -> None:
        gallery.collections.create("visitors", VERSION)
        new = gallery.face()
        (here,) = gallery.faces.index("staff", IMAGE, "ann", [new])
        (there,) = gallery.faces.index("visitors", IMAGE, "ann", [new])
        (stranger,) = gallery.faces.index("visitors", IMAGE, "bob", [new])
        assert there.face_id == here.face_id
        assert stranger.face_id != here.face_id

    def test_a_face_of_another_version_is_another_face(self, gallery: Gallery) -> None:
        gallery.collections.create("later", "model-2")
        new = gallery.face()
        (here,) = gallery.faces.index("staff", IMAGE, None, [new])
        newer = NewFace(new.bounding_box, new.confidence, Template(new.template.vector, "model-2"))
        (there,) = gallery.faces.index("later", IMAGE, None, [newer])
        assert there.face_id != here.face_id

    def test_a_deleted_face_comes_back_under_a_new_id(self, gallery: Gallery) -> None:
        new = gallery.face()
        (first,) = gallery.faces.index("staff", IMAGE, None, [new])
        gallery.faces.delete("staff", [first.face_id])
        (again,) = gallery.faces.index("staff", IMAGE, None, [new])
        assert again.face_id != first.face_id
        assert again.key > first.key

    @pytest.mark.parametrize(
        "vector",
        [np.zeros(128), np.ones(128), np.full(128, np.nan), np.eye(128)[0] * 1.02],
        ids=["zero", "raw", "nan", "long"],
    )
    def test_only_unit_vectors_are_templates(self, gallery: Gallery, vector: np.ndarray) -> None:
        template = Template(vector.astype(np.float32), VERSION)
        with pytest.raises(InvalidParameter, match="unit norm"):
            gallery.faces.index("staff", IMAGE, None, [NewFace(BoundingBox(0, 0, 1, 1), 99, template)])

    def test_a_template_of_another_version_is_refused_with_all_that_came_with_it(self, gallery: Gallery) -> None:
        good = gallery.face(left=0.5)
        bad = NewFace(good.bounding_box, 99.0, Template(good.template.vector, "model-2"))
        with pytest.raises(InvalidParameter, match=r"holds templates of model-1; one of model-2"):
            gallery.faces.index("staff", IMAGE, None, [good, bad])
        assert _all_faces(gallery) == []


class TestListing:
    def test_by_pages_gives_each_face_once(self, gallery: Gallery) -> None:
        faces = gallery.enrol("staff", *[gallery.person() for _ in range(7)])
        for page_size in (1, 3, 6, 7, 8):
            assert _all_faces(gallery, page_size) == faces

    def test_no_living_face_is_skipped_when_others_come_and_go(self, gallery: Gallery) -> None:
        faces = gallery.enrol("staff", *[gallery.person() for _ in range(12)])
        first = gallery.faces.list("staff", None, 4)
        gone = [faces[index].face_id for index in (0, 3, 4, 5, 10)]
        gallery.faces.delete("staff", gone)
        (late,) = gallery.enrol("staff")
        listed = list(first.items)
        after = first.after
        while after is not None:
            page = gallery.faces.list("staff", after, 2)
            listed += page.items
            after = page.after
        ids = [face.face_id for face in listed]
        assert len(set(ids)) == len(ids)
        assert {face.face_id for face in faces} - set(gone) <= set(ids)
        assert late.face_id in ids
        assert faces[10].face_id not in ids

    def test_of_a_user_or_of_some_ids_only(self, gallery: Gallery) -> None:
        ann = gallery.person()
        one, two, other = gallery.enrol("staff", ann, ann, gallery.person())
        gallery.users.create("staff", "ann")
        gallery.associate("staff", "ann", one, two)
        page = gallery.faces.list("staff", None, 10, user_id="ann")
        assert [(face.face_id, face.user_id) for face in page.items] == [(one.face_id, "ann"), (two.face_id, "ann")]
        page = gallery.faces.list("staff", None, 10, face_ids=[other.face_id, two.face_id, IMAGE])
        assert [face.face_id for face in page.items] == [two.face_id, other.face_id]
        page = gallery.faces.list("staff", None, 10, user_id="ann", face_ids=[other.face_id])
        assert page.items == ()
        assert gallery.faces.list("staff", None, 10, user_id="nobody").items == ()

    def test_collections_keep_their_faces_apart(self, gallery: Gallery) -> None:
        gallery.collections.create("visitors", VERSION)
        (here,) = gallery.enrol("staff")
        (there,) = gallery.enrol("visitors")
        assert _all_faces(gallery) == [here]
        assert gallery.faces.get("staff", [here.face_id, there.face_id]) == {here.face_id: here}
        with pytest.raises(InvalidParameter, match=r"^faceId was not found in the collection\.$"):
            gallery.faces.template("staff", there.face_id)


class TestDeletion:
    def test_each_face_asked_for_is_accounted_for_once(self, gallery: Gallery) -> None:
        free, held = gallery.enrol("staff", gallery.person(), gallery.person())
        gallery.users.create("staff", "ann")
        gallery.associate("staff", "ann", held)
        deletion = gallery.faces.delete("staff", [IMAGE, free.face_id, held.face_id, free.face_id, IMAGE])
        assert deletion == Deletion(
            deleted=(free.face_id,),
            failed=(
                UndeletedFace(IMAGE, None, DeletionFailure.FACE_NOT_FOUND),
                UndeletedFace(held.face_id, "ann", DeletionFailure.ASSOCIATED_TO_AN_EXISTING_USER),
            ),
        )
        assert [face.face_id for face in _all_faces(gallery)] == [held.face_id]

    def test_4096_faces_can_go_at_once(self, gallery: Gallery) -> None:
        new = gallery.face()
        adopted = [AdoptedFace(str(uuid.uuid4()), str(uuid.uuid4()), None, new) for _ in range(4096)]
        gallery.faces.adopt("staff", adopted)
        deletion = gallery.faces.delete("staff", [face.face_id for face in adopted])
        assert len(deletion.deleted) == 4096
        assert gallery.collections.get("staff").face_count == 0


class TestAdoption:
    def test_faces_keep_the_ids_that_they_have_elsewhere(self, gallery: Gallery) -> None:
        face_id = str(uuid.uuid4())
        assert gallery.faces.adopt("staff", [AdoptedFace(face_id, IMAGE, "ann", gallery.face())]) == 1
        (face,) = _all_faces(gallery)
        assert (face.face_id, face.image_id, face.external_image_id) == (face_id, IMAGE, "ann")

    def test_adopting_again_adds_only_what_is_missing(self, gallery: Gallery) -> None:
        adopted = [AdoptedFace(str(uuid.uuid4()), str(uuid.uuid4()), None, gallery.face()) for _ in range(5)]
        assert gallery.faces.adopt("staff", adopted[:3]) == 3
        before = _all_faces(gallery)
        assert gallery.faces.adopt("staff", [*adopted, adopted[4]]) == 2
        assert _all_faces(gallery)[:3] == before
        assert gallery.collections.get("staff").face_count == 5

    def test_an_id_of_another_image_is_a_conflict(self, gallery: Gallery) -> None:
        face_id = str(uuid.uuid4())
        gallery.faces.adopt("staff", [AdoptedFace(face_id, IMAGE, None, gallery.face())])
        other = [
            AdoptedFace(str(uuid.uuid4()), IMAGE, None, gallery.face()),
            AdoptedFace(face_id, str(uuid.uuid4()), None, gallery.face()),
        ]
        with pytest.raises(ResourceConflict, match=face_id):
            gallery.faces.adopt("staff", other)
        assert gallery.collections.get("staff").face_count == 1
