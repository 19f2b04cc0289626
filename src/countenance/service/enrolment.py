"""Use cases on the faces of a collection: index, list, delete."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from countenance.faces import Template
from countenance.gallery.faces import Deletion, Face, Faces, NewFace
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.pagination import DEFAULT_PAGE, Listing, position
from countenance.service.photos import Photos, PhotoSource
from countenance.service.uses import Uses
from countenance.vision.analysis import Vision
from countenance.vision.details import Attribute, FaceDetail
from countenance.vision.images import Photo
from countenance.vision.quality import QualityFilter, Reason


@dataclass(frozen=True, slots=True)
class Indexing:
    """What became of the faces of a photo: enrolled (largest first), or not, with reasons."""

    face_model_version: str
    records: Sequence[tuple[Face, FaceDetail]]
    unindexed: Sequence[tuple[Sequence[Reason], FaceDetail]]


class Enrolment:
    """Puts faces into collections and takes them out."""

    def __init__(self, uses: Uses, photos: Photos, vision: Vision, faces: Faces) -> None:
        self._uses = uses
        self._photos = photos
        self._vision = vision
        self._faces = faces

    def index_faces(
        self,
        caller: Caller,
        collection_id: str,
        source: PhotoSource,
        *,
        external_image_id: str | None = None,
        attributes: frozenset[Attribute] = frozenset(),
        max_faces: int | None = None,
        quality_filter: QualityFilter = QualityFilter.AUTO,
    ) -> Indexing:
        """Enrol the faces of a photo that pass the filter, at most the `max_faces` largest of them.

        The same photo under the same ExternalImageId gives the same FaceIds again. The photo is not kept.
        Raises `ResourceNotFound` for the collection.
        """
        with self._uses.use(caller, Action.INDEX_FACES, collection_id, quality_filter=quality_filter) as use:
            version = use.collection.face_model_version
            photo = self._photos.open(source)
            use.looked_at(photo)
            use.by(version)
            detections = self._vision.detect(photo)
            details = self._vision.describe(photo, detections, attributes)
            chosen: list[tuple[FaceDetail, Template]] = []
            unindexed: list[tuple[Sequence[Reason], FaceDetail]] = []
            for detection, detail in zip(detections, details, strict=True):
                template, reasons = self._vision.appraise(photo, detection, detail, quality_filter, version)
                if template is None:
                    unindexed.append((reasons, detail))
                elif max_faces is not None and len(chosen) == max_faces:
                    unindexed.append(([Reason.EXCEEDS_MAX_FACES], detail))
                else:
                    chosen.append((detail, template))
            new = [NewFace(detail.bounding_box, detail.confidence, template) for detail, template in chosen]
            enrolled = self._faces.index(
                collection_id, image_id(photo), external_image_id, new, kept=use.kept_until(caller.authorization)
            )
            use.enrolled(len(enrolled), len(unindexed))
            records = [(face, detail) for face, (detail, _) in zip(enrolled, chosen, strict=True)]
            return Indexing(version, records, unindexed)

    def list_faces(
        self,
        caller: Caller,
        collection_id: str,
        *,
        user_id: str | None = None,
        face_ids: Sequence[str] | None = None,
        max_results: int | None = None,
        token: str | None = None,
    ) -> tuple[str, Listing[Face]]:
        """The collection's face model version and a page of its faces, in the order of their enrolment.

        A face that lives through the listing is in exactly one page. An unknown user has no faces. Raises
        `ResourceNotFound` for the collection, `InvalidPaginationToken`.
        """
        with self._uses.use(caller, Action.LIST_FACES, collection_id) as use:
            version = use.collection.face_model_version
            request = [Action.LIST_FACES, collection_id, user_id, sorted(face_ids) if face_ids else None]
            after = position(request, token)
            limit = max_results or DEFAULT_PAGE
            page = self._faces.list(collection_id, after, limit, user_id=user_id, face_ids=face_ids)
            use.saw(len(page.items))
            return version, Listing.of(request, page)

    def delete_faces(self, caller: Caller, collection_id: str, face_ids: Sequence[str]) -> Deletion:
        """Erase faces; those that a user holds, and those that are not there, are named with reasons.

        Raises `ResourceNotFound` for the collection.
        """
        with self._uses.use(caller, Action.DELETE_FACES, collection_id, requested=len(face_ids)) as use:
            deletion = self._faces.delete(collection_id, face_ids)
            use.erased(faces=len(deletion.deleted))
            use.state(unsuccessful=len(deletion.failed))
            return deletion


def image_id(photo: Photo) -> str:
    """The ImageId: a name-based UUID, the same for the same file wherever it is indexed."""
    return str(uuid.UUID(hex=photo.digest[:32], version=5))
