"""Use cases that move a collection here from another Rekognition endpoint.

Amazon gives no templates away, so each face is recognised again on the photo it came from: a face is taken for the
source's when their boxes overlap by more than half. It keeps the FaceId, ImageId, ExternalImageId and user it had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from countenance.errors import ResourceAlreadyExists, ResourceConflict
from countenance.faces import BoundingBox
from countenance.gallery.collections import Collections
from countenance.gallery.faces import SAME_FACE_IOU, AdoptedFace, Faces, NewFace
from countenance.gallery.users import MAX_FACES_PER_USER, UnchangedFace, Users
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.collections import declared_by
from countenance.service.photos import Photos, PhotoSource
from countenance.service.source import SourceFace
from countenance.service.uses import Uses
from countenance.vision.analysis import Vision


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A face of the source that was not found on its photo. `overlap` is the best IoU there was, 0 to 1."""

    face: SourceFace
    overlap: float


class Migration:
    """Takes over collections photo by photo; each step can be done again, so a run that was killed goes on."""

    def __init__(
        self, *, uses: Uses, photos: Photos, vision: Vision, collections: Collections, faces: Faces, users: Users
    ) -> None:
        self._uses = uses
        self._photos = photos
        self._vision = vision
        self._collections = collections
        self._faces = faces
        self._users = users

    def begin(self, caller: Caller, collection_id: str, tags: Mapping[str, str]) -> None:
        """The collection to move into: created with these tags, or as it is when it is there already.

        Tags that govern are a use of their own, as when a collection is created.
        """
        version = self._vision.face_model_version
        governance = declared_by(self._uses, caller, collection_id, tags)
        with self._uses.use(caller, Action.IMPORT_COLLECTION, collection_id, face_model_version=version) as use:
            try:
                use.record.collection = self._collections.create(collection_id, version, tags, governance).uid
            except ResourceAlreadyExists:
                use.state(continued=True)

    def adopted(self, collection_id: str, face_ids: Sequence[str]) -> frozenset[str]:
        """Those of the faces that are here already."""
        return frozenset(self._faces.get(collection_id, face_ids))

    def adopt_photo(
        self, caller: Caller, collection_id: str, source: PhotoSource, faces: Sequence[SourceFace]
    ) -> list[Unmatched]:
        """Enrol the source's faces of one photo, all that are found on it at once; the others.

        Faces that are here already stay as they are. Raises `ResourceConflict` when a FaceId is taken by a face of
        another image.
        """
        with self._uses.use(caller, Action.IMPORT_COLLECTION, collection_id, source_faces=len(faces)) as use:
            version = use.collection.face_model_version
            photo = self._photos.open(source)
            use.looked_at(photo)
            use.by(version)
            detections = self._vision.detect(photo)
            boxes = [detection.bounding_box for detection in detections]
            pairs = matched([face.bounding_box for face in faces], boxes)
            found = [detections[place] for place in pairs.values()]
            templates = self._vision.templates(photo, found, version)
            adopted = [
                AdoptedFace(
                    faces[place].face_id,
                    faces[place].image_id,
                    faces[place].external_image_id,
                    NewFace(detection.bounding_box, detection.confidence, template),
                )
                for place, detection, template in zip(pairs, found, templates, strict=True)
            ]
            kept = use.kept_until(caller.authorization)
            new = self._faces.adopt(collection_id, adopted, kept=kept)
            use.enrolled(new, len(faces) - len(adopted))
            return [
                Unmatched(face, max((face.bounding_box.iou(box) for box in boxes), default=0.0))
                for place, face in enumerate(faces)
                if place not in pairs
            ]

    def adopt_user(
        self, caller: Caller, collection_id: str, user_id: str, face_ids: Sequence[str]
    ) -> list[UnchangedFace]:
        """Make the user, if there is none, and give them these faces as the source had it; those that cannot be given.

        Whether the faces look alike is not asked again: the source's association stands.
        """
        with self._uses.use(caller, Action.IMPORT_COLLECTION, collection_id, requested=len(face_ids)) as use:
            try:
                self._users.create(collection_id, user_id)
            except ResourceConflict:
                use.state(continued=True)
            if not face_ids:
                return []
            association = self._users.associate(
                collection_id, user_id, face_ids[:MAX_FACES_PER_USER], threshold=0.0, similarity=lambda _: 100.0
            )
            excess = [UnchangedFace(face_id) for face_id in face_ids[MAX_FACES_PER_USER:]]
            use.state(associated=len(association.changed))
            return [*association.unchanged, *excess]


def matched(source: Sequence[BoundingBox], found: Sequence[BoundingBox]) -> dict[int, int]:
    """For places in `source` the place in `found` of the same face: best overlaps first, each used once.

    Boxes that overlap by half or less are not the same face, whatever else there is.
    """
    overlaps = sorted(
        (-one.iou(other), i, j)
        for i, one in enumerate(source)
        for j, other in enumerate(found)
        if one.iou(other) > SAME_FACE_IOU
    )
    pairs: dict[int, int] = {}
    for _, i, j in overlaps:
        if i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs
