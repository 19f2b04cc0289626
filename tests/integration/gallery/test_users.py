"""Users: their life cycle, whom faces may be associated with, and requests sent twice."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import select, update

from countenance.errors import (
    IdempotentParameterMismatch,
    InvalidParameter,
    ResourceConflict,
    ResourceNotFound,
    ServiceQuotaExceeded,
)
from countenance.gallery.users import AssociationFailure, UnchangedFace, UserStatus
from countenance.storage import schema

from .conftest import VERSION, Gallery, percent

NOWHERE = "00000000-0000-4000-8000-000000000000"


def _user_of(gallery: Gallery, face_id: str) -> str | None:
    return gallery.faces.get("staff", [face_id])[face_id].user_id


class TestLifeCycle:
    def test_created_then_active_then_created_again(self, gallery: Gallery) -> None:
        (face,) = gallery.enrol("staff")
        gallery.users.create("staff", "ann")
        assert gallery.users.get("staff", "ann").status is UserStatus.CREATED
        assert gallery.associate("staff", "ann", face).status is UserStatus.ACTIVE
        assert gallery.users.get("staff", "ann").status is UserStatus.ACTIVE
        assert gallery.users.disassociate("staff", "ann", [face.face_id]).status is UserStatus.CREATED
        assert gallery.users.get("staff", "ann").status is UserStatus.CREATED
        assert gallery.users.template("staff", "ann") is None

    def test_an_id_can_be_taken_once_in_a_collection(self, gallery: Gallery) -> None:
        gallery.collections.create("visitors", VERSION)
        gallery.users.create("staff", "ann")
        gallery.users.create("visitors", "ann")
        gallery.users.create("staff", "Ann")
        with pytest.raises(ResourceConflict, match="A User with the same Id already exists"):
            gallery.users.create("staff", "ann")

    def test_an_unknown_user_is_named(self, gallery: Gallery) -> None:
        for ask in (
            lambda: gallery.users.get("staff", "eve"),
            lambda: gallery.users.delete("staff", "eve"),
            lambda: gallery.users.template("staff", "eve"),
            lambda: gallery.associate("staff", "eve"),
            lambda: gallery.users.disassociate("staff", "eve", [NOWHERE]),
        ):
            with pytest.raises(ResourceNotFound, match="The user id: eve does not exist"):
                ask()

    def test_faces_outlive_their_user(self, gallery: Gallery) -> None:
        (face,) = gallery.enrol("staff")
        gallery.users.create("staff", "ann")
        gallery.associate("staff", "ann", face)
        gallery.users.delete("staff", "ann")
        assert _user_of(gallery, face.face_id) is None
        assert gallery.faces.delete("staff", [face.face_id]).deleted == (face.face_id,)

    def test_listing_by_pages_gives_each_user_once(self, gallery: Gallery) -> None:
        for number in range(5):
            gallery.users.create("staff", f"u{number}")
        first = gallery.users.list("staff", None, 2)
        gallery.users.delete("staff", "u1")
        gallery.users.delete("staff", "u2")
        rest = gallery.users.list("staff", first.after, 2)
        assert [user.user_id for user in (*first.items, *rest.items)] == ["u0", "u1", "u3", "u4"]
        assert rest.after is None


class TestTemplates:
    def test_a_user_is_the_mean_of_their_faces(self, gallery: Gallery) -> None:
        ann = gallery.person()
        faces = gallery.enrol("staff", ann, ann, ann)
        gallery.users.create("staff", "ann")
        gallery.associate("staff", "ann", *faces)
        vectors = [gallery.faces.template("staff", face.face_id).vector for face in faces]
        template = gallery.users.template("staff", "ann")
        assert template is not None
        assert template.face_model_version == VERSION
        mean = np.mean([vector / np.linalg.norm(vector) for vector in vectors], axis=0)
        np.testing.assert_allclose(template.vector, mean / np.linalg.norm(mean), atol=2**-11)
        gallery.users.disassociate("staff", "ann", [faces[0].face_id])
        fewer = gallery.users.template("staff", "ann")
        assert fewer is not None
        assert not np.array_equal(fewer.vector, template.vector)

    def test_the_order_of_association_does_not_matter(self, gallery: Gallery) -> None:
        ann = gallery.person()
        faces = gallery.enrol("staff", ann, ann, ann)
        templates = []
        for user_id, order in (("ann", (0, 1, 2)), ("bob", (2, 0, 1))):
            gallery.users.create("staff", user_id)
            for index in order:
                assert gallery.associate("staff", user_id, faces[index]).changed
            templates.append(gallery.users.template("staff", user_id))
            gallery.users.delete("staff", user_id)
        assert templates[0] is not None
        assert templates[1] is not None
        np.testing.assert_array_equal(templates[0].vector, templates[1].vector)


class TestAssociation:
    def test_the_first_faces_need_not_match(self, gallery: Gallery) -> None:
        one, other = gallery.enrol("staff", gallery.person(), gallery.person())
        gallery.users.create("staff", "ann")
        association = gallery.associate("staff", "ann", one, other)
        assert (association.changed, association.unchanged) == ((one.face_id, other.face_id), ())

    def test_later_faces_must_match_the_user(self, gallery: Gallery) -> None:
        ann = gallery.person()
        first, same, stranger = gallery.enrol("staff", ann, ann, gallery.person())
        gallery.users.create("staff", "ann")
        gallery.associate("staff", "ann", first)
        association = gallery.associate("staff", "ann", stranger, same)
        assert association.changed == (same.face_id,)
        (refused,) = association.unchanged
        assert refused.face_id == stranger.face_id
        assert refused.reasons == (AssociationFailure.LOW_MATCH_CONFIDENCE,)
        vectors = [gallery.faces.template("staff", face.face_id).vector for face in (first, stranger)]
        assert refused.confidence == pytest.approx(100 * float(vectors[0] @ vectors[1]), abs=0.1)
        assert refused.user_id is None
        assert _user_of(gallery, stranger.face_id) is None

    def test_the_threshold_itself_is_a_match(self, gallery: Gallery) -> None:
        first, other = gallery.enrol("staff", gallery.person(), gallery.person())
        gallery.users.create("staff", "ann")
        gallery.associate("staff", "ann", first)

        def associate(threshold: float) -> tuple[str, ...]:
            return gallery.users.associate(
                "staff", "ann", [other.face_id], threshold=threshold, similarity=lambda cosine: 40.0
            ).changed

        assert associate(40.01) == ()
        assert associate(40.0) == (other.face_id,)

    def test_faces_are_compared_with_the_user_as_it_was_before_the_call(self, gallery: Gallery) -> None:
        ann = gallery.person()
        first, same, stranger = gallery.enrol("staff", ann, ann, gallery.person())
        gallery.users.create("staff", "ann")
        gallery.associate("staff", "ann", first)
        seen: list[float] = []
        gallery.users.associate(
            "staff",
            "ann",
            [same.face_id, stranger.face_id],
            threshold=0,
            similarity=lambda cosine: seen.append(cosine) or 100.0,
        )
        user = gallery.faces.template("staff", first.face_id).vector
        expected = [float(user @ gallery.faces.template("staff", face.face_id).vector) for face in (same, stranger)]
        assert seen == pytest.approx(expected, abs=1e-3)

    def test_every_face_is_accounted_for_except_those_the_user_had(self, gallery: Gallery) -> None:
        ann, bob = gallery.person(), gallery.person()
        had, new, bobs = gallery.enrol("staff", ann, ann, bob)
        gallery.users.create("staff", "ann")
        gallery.users.create("staff", "bob")
        gallery.associate("staff", "ann", had)
        gallery.associate("staff", "bob", bobs)
        asked = [NOWHERE, had.face_id, bobs.face_id, new.face_id, new.face_id, NOWHERE]
        association = gallery.users.associate("staff", "ann", asked, threshold=75, similarity=percent)
        assert association.changed == (new.face_id,)
        assert association.unchanged == (
            UnchangedFace(NOWHERE, reasons=(AssociationFailure.FACE_NOT_FOUND,)),
            UnchangedFace(bobs.face_id, user_id="bob", reasons=(AssociationFailure.ASSOCIATED_TO_A_DIFFERENT_USER,)),
        )
        assert association.status is UserStatus.ACTIVE
        assert _user_of(gallery, bobs.face_id) == "bob"

    def test_a_face_of_another_collection_is_not_found(self, gallery: Gallery) -> None:
        gallery.collections.create("visitors", VERSION)
        (face,) = gallery.enrol("visitors")
        gallery.users.create("staff", "ann")
        association = gallery.associate("staff", "ann", face)
        assert [failure.reasons for failure in association.unchanged] == [(AssociationFailure.FACE_NOT_FOUND,)]
        assert association.status is UserStatus.CREATED

    def test_a_user_has_at_most_100_faces(self, gallery: Gallery) -> None:
        ann = gallery.person()
        faces = gallery.enrol("staff", *[ann] * 103)
        gallery.users.create("staff", "ann")
        assert len(gallery.associate("staff", "ann", *faces[:98]).changed) == 98
        association = gallery.associate("staff", "ann", *faces[96:102])
        assert association.changed == (faces[98].face_id, faces[99].face_id)
        assert association.unchanged == (UnchangedFace(faces[100].face_id), UnchangedFace(faces[101].face_id))
        assert gallery.associate("staff", "ann", faces[0]).changed == ()
        with pytest.raises(ServiceQuotaExceeded, match="100 faces"):
            gallery.associate("staff", "ann", faces[102])
        gallery.users.disassociate("staff", "ann", [faces[0].face_id])
        assert gallery.associate("staff", "ann", faces[102]).changed == (faces[102].face_id,)


class TestDisassociation:
    def test_every_face_is_accounted_for_except_those_that_are_nobodys(self, gallery: Gallery) -> None:
        ann, bob = gallery.person(), gallery.person()
        mine, other, free, bobs = gallery.enrol("staff", ann, ann, ann, bob)
        gallery.users.create("staff", "ann")
        gallery.users.create("staff", "bob")
        gallery.associate("staff", "ann", mine, other)
        gallery.associate("staff", "bob", bobs)
        asked = [mine.face_id, NOWHERE, free.face_id, bobs.face_id, mine.face_id]
        outcome = gallery.users.disassociate("staff", "ann", asked)
        assert outcome.changed == (mine.face_id,)
        assert outcome.unchanged == (
            UnchangedFace(NOWHERE, reasons=(AssociationFailure.FACE_NOT_FOUND,)),
            UnchangedFace(bobs.face_id, user_id="bob", reasons=(AssociationFailure.ASSOCIATED_TO_A_DIFFERENT_USER,)),
        )
        assert outcome.status is UserStatus.ACTIVE
        assert _user_of(gallery, mine.face_id) is None
        assert _user_of(gallery, bobs.face_id) == "bob"


class TestRequestsSentTwice:
    def test_the_second_answer_is_the_first_and_nothing_is_done(self, gallery: Gallery) -> None:
        ann = gallery.person()
        face, stranger = gallery.enrol("staff", ann, gallery.person())
        gallery.users.create("staff", "ann", token="t")
        gallery.users.create("staff", "ann", token="t")
        first = gallery.associate("staff", "ann", face, token="t")
        gallery.associate("staff", "ann", stranger)
        assert first.changed == (face.face_id,)
        gallery.users.disassociate("staff", "ann", [face.face_id])
        assert gallery.associate("staff", "ann", face, token="t") == first
        assert _user_of(gallery, face.face_id) is None
        gallery.users.delete("staff", "ann", token="t")
        gallery.users.delete("staff", "ann", token="t")

    def test_failures_of_single_faces_are_told_again_as_well(self, gallery: Gallery) -> None:
        ann = gallery.person()
        face, stranger = gallery.enrol("staff", ann, gallery.person())
        gallery.users.create("staff", "ann")
        gallery.associate("staff", "ann", face)
        first = gallery.associate("staff", "ann", stranger, token="t")
        assert first.unchanged[0].confidence is not None
        assert gallery.associate("staff", "ann", stranger, token="t") == first

    @pytest.mark.parametrize(("user_id", "threshold", "faces"), [("bob", 75, 1), ("ann", 76, 1), ("ann", 75, 2)])
    def test_a_token_cannot_be_used_for_something_else(
        self, gallery: Gallery, user_id: str, threshold: float, faces: int
    ) -> None:
        ann = gallery.person()
        face_ids = [face.face_id for face in gallery.enrol("staff", ann, ann)]
        gallery.users.create("staff", "ann")
        gallery.users.create("staff", "bob")
        gallery.users.associate("staff", "ann", face_ids[:1], threshold=75, similarity=percent, token="t-1")
        with pytest.raises(IdempotentParameterMismatch, match=r"^The ClientRequestToken: t-1 you have supplied"):
            gallery.users.associate(
                "staff", user_id, face_ids[:faces], threshold=threshold, similarity=percent, token="t-1"
            )

    def test_a_request_that_failed_can_be_sent_again(self, gallery: Gallery) -> None:
        with pytest.raises(ResourceNotFound):
            gallery.users.delete("staff", "ann", token="t")
        gallery.users.create("staff", "ann")
        gallery.users.delete("staff", "ann", token="t")
        assert gallery.users.list("staff", None, 10).items == ()

    def test_a_token_is_forgotten_when_its_time_is_over(self, gallery: Gallery) -> None:
        gallery.users.create("staff", "ann", token="t")
        with gallery.database.write() as connection:
            connection.execute(update(schema.request_tokens).values(expires_at=0.0))
        gallery.users.create("staff", "bob", token="t")
        with gallery.database.read() as connection:
            assert len(connection.execute(select(schema.request_tokens)).all()) == 1

    def test_a_token_is_forgotten_with_its_collection(self, gallery: Gallery) -> None:
        face = gallery.enrol("staff", gallery.person())[0]
        gallery.users.create("staff", "ann", token="t")
        gallery.associate("staff", "ann", face, token="t")
        gallery.collections.delete("staff")
        with gallery.database.read() as connection:
            assert connection.execute(select(schema.request_tokens)).all() == []
        gallery.collections.create("staff", VERSION)
        gallery.users.create("staff", "ann", token="t")
        assert [user.user_id for user in gallery.users.list("staff", None, 10).items] == ["ann"]

    def test_the_name_of_a_deleted_user_is_in_no_answer_kept_for_another(self, gallery: Gallery) -> None:
        mine = gallery.enrol("staff", gallery.person())[0]
        for user_id in ("Ann-Example", "bob"):
            gallery.users.create("staff", user_id)
        gallery.associate("staff", "Ann-Example", mine)
        assert gallery.associate("staff", "bob", mine, token="t").unchanged[0].user_id == "Ann-Example"
        gallery.users.delete("staff", "Ann-Example", token="u")
        with gallery.database.read() as connection:
            assert "Ann-Example" not in str(connection.execute(select(schema.request_tokens)).all())
        gallery.users.delete("staff", "Ann-Example", token="u")

    def test_no_name_is_kept_with_a_token(self, gallery: Gallery) -> None:
        gallery.users.create("staff", "Ann-Example", token="t")
        with gallery.database.read() as connection:
            assert "Ann-Example" not in str(connection.execute(select(schema.request_tokens)).one())


def test_a_template_cannot_be_asked_of_a_face_that_is_not_there(gallery: Gallery) -> None:
    with pytest.raises(InvalidParameter, match="faceId was not found in the collection"):
        gallery.faces.template("staff", NOWHERE)
