"""A gallery to enrol made-up faces into."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import numpy as np
import pytest

from countenance.faces import BoundingBox, Template
from countenance.gallery.collections import Collections
from countenance.gallery.faces import Face, Faces, NewFace
from countenance.gallery.users import Association, Users
from countenance.storage.database import Database

DIMENSION = 128
VERSION = "model-1"


def percent(cosine: float) -> float:
    """A Similarity for tests: cosine 0.75 is 75."""
    return 100 * cosine


@dataclass
class Gallery:
    """Everything about collections, and faces of people that never were."""

    database: Database
    _random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(2))

    def __post_init__(self) -> None:
        self.collections = Collections(self.database)
        self.faces = Faces(self.database)
        self.users = Users(self.database)

    def person(self) -> np.ndarray:
        """The direction of a new person's templates, far from everybody else's."""
        direction = self._random.normal(size=DIMENSION)
        return direction / np.linalg.norm(direction)

    def face(self, person: np.ndarray | None = None, *, left: float = 0.1, noise: float = 0.2) -> NewFace:
        """A face of the person, of a stranger when None; with `noise` 0.2, two of one person have a cosine of 0.96."""
        direction = self.person() if person is None else person
        vector = direction + noise * self.person()
        template = Template((vector / np.linalg.norm(vector)).astype(np.float32), VERSION)
        return NewFace(BoundingBox(left, 0.1, 0.1, 0.1), 99.5, template)

    def enrol(self, collection_id: str, *people: np.ndarray, external_image_id: str | None = None) -> list[Face]:
        """Enrols one photo for each of the people; a stranger's when none is given."""
        enrolled = []
        for person in people or (self.person(),):
            enrolled += self.faces.index(collection_id, str(uuid.uuid4()), external_image_id, [self.face(person)])
        return enrolled

    def associate(self, collection_id: str, user_id: str, *faces: Face, token: str | None = None) -> Association:
        """Associates faces with a user at Rekognition's default threshold."""
        return self.users.associate(
            collection_id, user_id, [face.face_id for face in faces], threshold=75, similarity=percent, token=token
        )


@pytest.fixture
def gallery(database: Database) -> Gallery:
    """A gallery with one empty collection, `staff`."""
    gallery = Gallery(database)
    gallery.collections.create("staff", VERSION)
    return gallery
