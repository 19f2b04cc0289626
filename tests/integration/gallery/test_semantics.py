"""Whatever is done to a gallery, in whatever order: it behaves as a few dictionaries would."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from countenance.errors import ResourceConflict, ResourceNotFound
from countenance.faces import BoundingBox, Template
from countenance.gallery.faces import DeletionFailure, NewFace
from countenance.gallery.users import AssociationFailure, UserStatus
from countenance.storage.database import Database

from .conftest import DIMENSION, VERSION, Gallery, percent

THRESHOLD = 75.0

# Five people far apart: faces of one have a cosine of 0.96, of two of about 0.
PEOPLE = np.linalg.qr(np.random.default_rng(1).normal(size=(DIMENSION, 5)))[0].T

images = st.integers(0, 5)
places = st.sets(st.integers(0, 2), max_size=3)
people = st.integers(0, len(PEOPLE) - 1)
users = st.sampled_from(["ann", "bob", "eve"])
collections = st.sampled_from(["one", "two"])
external = st.sampled_from([None, "badge-1"])


@dataclass
class Model:
    """A collection, remembered: faces by id in order, with who they show and where they were seen."""

    faces: dict[str, tuple[Any, int]] = field(default_factory=dict)
    users: dict[str, list[str]] = field(default_factory=dict)

    def user_of(self, face_id: str) -> str | None:
        return next((user_id for user_id, held in self.users.items() if face_id in held), None)


class GalleryMachine(RuleBasedStateMachine):
    """Two collections of the same version, used at random."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.gallery = Gallery(database)
        # Collections of earlier runs stay behind in the same database: names and images are this run's own.
        self.run = uuid.uuid4()
        self.models = {"one": Model(), "two": Model()}

    def name(self, collection: str) -> str:
        return f"{collection}-{self.run}"

    @initialize()
    def create_collections(self) -> None:
        for collection in self.models:
            self.gallery.collections.create(self.name(collection), VERSION)

    def some_faces(self, data: st.DataObject) -> list[str]:
        """Ids of faces of either collection, and of none, perhaps twice."""
        known = [face_id for model in self.models.values() for face_id in model.faces]
        return data.draw(st.lists(st.sampled_from([*known, str(uuid.UUID(int=0))]), min_size=1, max_size=4))

    @rule(collection=collections, image=images, seen=places, who=people, external_image_id=external)
    def index(self, collection: str, image: int, seen: set[int], who: int, external_image_id: str | None) -> None:
        model = self.models[collection]
        new, expected = [], []
        for place in sorted(seen):
            origin = (image, external_image_id, place)
            here = [face_id for face_id, (known, _) in model.faces.items() if known == origin]
            there = [
                face_id
                for other in self.models.values()
                for face_id, (known, _) in other.faces.items()
                if known == origin
            ]
            expected.append((origin, here[0] if here else None, there[0] if there else None))
            vector = PEOPLE[who] + 0.2 * np.roll(PEOPLE[who], 1 + image)
            template = Template((vector / np.linalg.norm(vector)).astype(np.float32), VERSION)
            new.append(NewFace(BoundingBox(0.3 * place, 0.1, 0.2, 0.2), 99.0, template))
        image_id = str(uuid.uuid5(self.run, str(image)))
        faces = self.gallery.faces.index(self.name(collection), image_id, external_image_id, new)
        assert len(faces) == len(expected)
        for face, (origin, here, there) in zip(faces, expected, strict=True):
            if here is not None:
                assert face.face_id == here
            else:
                if there is not None:
                    assert face.face_id == there
                assert face.face_id not in model.faces
                model.faces[face.face_id] = (origin, who)

    @rule(collection=collections, data=st.data())
    def delete_faces(self, collection: str, data: st.DataObject) -> None:
        model, asked = self.models[collection], self.some_faces(data)
        deletion = self.gallery.faces.delete(self.name(collection), asked)
        distinct = list(dict.fromkeys(asked))
        free = [face_id for face_id in distinct if face_id in model.faces and model.user_of(face_id) is None]
        assert list(deletion.deleted) == free
        assert [(failure.face_id, failure.user_id, failure.reason) for failure in deletion.failed] == [
            (face_id, model.user_of(face_id), DeletionFailure.ASSOCIATED_TO_AN_EXISTING_USER)
            if face_id in model.faces
            else (face_id, None, DeletionFailure.FACE_NOT_FOUND)
            for face_id in distinct
            if face_id not in free
        ]
        for face_id in free:
            del model.faces[face_id]

    @rule(collection=collections, user_id=users)
    def create_user(self, collection: str, user_id: str) -> None:
        if user_id in self.models[collection].users:
            with pytest.raises(ResourceConflict):
                self.gallery.users.create(self.name(collection), user_id)
        else:
            self.gallery.users.create(self.name(collection), user_id)
            self.models[collection].users[user_id] = []

    @rule(collection=collections, user_id=users)
    def delete_user(self, collection: str, user_id: str) -> None:
        if user_id in self.models[collection].users:
            self.gallery.users.delete(self.name(collection), user_id)
            del self.models[collection].users[user_id]
        else:
            with pytest.raises(ResourceNotFound):
                self.gallery.users.delete(self.name(collection), user_id)

    @precondition(lambda self: any(model.users for model in self.models.values()))
    @rule(collection=collections, user_id=users, data=st.data())
    def associate(self, collection: str, user_id: str, data: st.DataObject) -> None:
        model, asked = self.models[collection], self.some_faces(data)
        name = self.name(collection)
        if user_id not in model.users:
            with pytest.raises(ResourceNotFound):
                self.gallery.users.associate(name, user_id, asked, threshold=THRESHOLD, similarity=percent)
            return
        had = list(model.users[user_id])
        own = self.gallery.users.template(name, user_id)
        changed, reasons = [], []
        for face_id in dict.fromkeys(asked):
            if face_id not in model.faces:
                reasons.append((face_id, AssociationFailure.FACE_NOT_FOUND))
            elif face_id in had:
                continue
            elif model.user_of(face_id) is not None:
                reasons.append((face_id, AssociationFailure.ASSOCIATED_TO_A_DIFFERENT_USER))
            elif own is not None and not self.matches(name, face_id, own):
                reasons.append((face_id, AssociationFailure.LOW_MATCH_CONFIDENCE))
            else:
                changed.append(face_id)
        outcome = self.gallery.users.associate(name, user_id, asked, threshold=THRESHOLD, similarity=percent)
        assert list(outcome.changed) == changed
        assert [(failure.face_id, *failure.reasons) for failure in outcome.unchanged] == reasons
        model.users[user_id] += changed
        assert outcome.status == (UserStatus.ACTIVE if model.users[user_id] else UserStatus.CREATED)

    def matches(self, name: str, face_id: str, own: Template) -> bool:
        """No pair here is anywhere near the threshold, so rounding cannot matter."""
        similarity = percent(float(own.vector @ self.gallery.faces.template(name, face_id).vector))
        return similarity >= THRESHOLD

    @rule(collection=collections, user_id=users, data=st.data())
    def disassociate(self, collection: str, user_id: str, data: st.DataObject) -> None:
        model, asked = self.models[collection], self.some_faces(data)
        if user_id not in model.users:
            with pytest.raises(ResourceNotFound):
                self.gallery.users.disassociate(self.name(collection), user_id, asked)
            return
        outcome = self.gallery.users.disassociate(self.name(collection), user_id, asked)
        distinct = list(dict.fromkeys(asked))
        leaving = [face_id for face_id in distinct if face_id in model.users[user_id]]
        assert list(outcome.changed) == leaving
        assert [(failure.face_id, *failure.reasons) for failure in outcome.unchanged] == [
            (
                face_id,
                AssociationFailure.ASSOCIATED_TO_A_DIFFERENT_USER
                if face_id in model.faces
                else AssociationFailure.FACE_NOT_FOUND,
            )
            for face_id in distinct
            if face_id not in model.faces or model.user_of(face_id) not in {None, user_id}
        ]
        model.users[user_id] = [face_id for face_id in model.users[user_id] if face_id not in leaving]
        assert outcome.status == (UserStatus.ACTIVE if model.users[user_id] else UserStatus.CREATED)

    @rule(collection=collections)
    def delete_collection(self, collection: str) -> None:
        self.gallery.collections.delete(self.name(collection))
        self.gallery.collections.create(self.name(collection), VERSION)
        self.models[collection] = Model()

    @invariant()
    def nothing_differs(self) -> None:
        for collection, model in self.models.items():
            name = self.name(collection)
            faces = self.gallery.faces.list(name, None, 100).items
            assert [(face.face_id, face.user_id) for face in faces] == [
                (face_id, model.user_of(face_id)) for face_id in model.faces
            ]
            assert [(user.user_id, user.status) for user in self.gallery.users.list(name, None, 10).items] == [
                (user_id, UserStatus.ACTIVE if held else UserStatus.CREATED) for user_id, held in model.users.items()
            ]
            counts = self.gallery.collections.get(name)
            assert (counts.face_count, counts.user_count) == (len(model.faces), len(model.users))
            for user_id, held in model.users.items():
                template = self.gallery.users.template(name, user_id)
                assert (template is None) == (not held)
                if template is not None:
                    mean = np.mean([self.gallery.faces.template(name, face_id).vector for face_id in held], axis=0)
                    cosine = float(template.vector @ mean) / float(
                        np.linalg.norm(template.vector) * np.linalg.norm(mean)
                    )
                    assert cosine == pytest.approx(1, abs=1e-3)


def test_a_gallery_is_what_a_few_dictionaries_are(database: Database) -> None:
    run_state_machine_as_test(
        lambda: GalleryMachine(database),
        settings=settings(
            max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
