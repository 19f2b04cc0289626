"""Use cases that search a collection: faces and users, by an enrolled one or by a photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from countenance.errors import InvalidParameter
from countenance.faces import Template
from countenance.gallery.faces import Face, Faces
from countenance.gallery.search import Search
from countenance.gallery.users import User, Users
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.photos import Photos, PhotoSource
from countenance.service.recognition import DEFAULT_THRESHOLD, largest_passing
from countenance.service.records import Candidate
from countenance.service.uses import Use, Uses
from countenance.storage.salts import face_subject, user_subject
from countenance.vision.analysis import Vision
from countenance.vision.details import FaceDetail
from countenance.vision.detection import Detection
from countenance.vision.quality import QualityFilter

# The largest MaxFaces and MaxUsers of Rekognition's model, taken where the request names none.
MAX_FACES = 4096
MAX_USERS = 500

# A search asks the index for slightly less than the threshold, then filters by the Similarity that is answered:
# both directions of the calibration round, and a face exactly at the threshold must be in the answer.
COSINE_SLACK = 1e-6

# The one reason of SearchUsersByImage that is not about the face's quality.
FACE_NOT_LARGEST = "FACE_NOT_LARGEST"

NO_FACES = "There are no faces in the image. Should be at least 1."

Subject = TypeVar("Subject", Face, User)


@dataclass(frozen=True, slots=True)
class FaceSearch:
    """Faces of a collection by descending Similarity; `searched` is the face of the photo that was searched for."""

    face_model_version: str
    matches: Sequence[tuple[float, Face]]
    searched: Detection | None = None


@dataclass(frozen=True, slots=True)
class UserSearch:
    """Users of a collection by descending Similarity.

    `searched` and `unsearched` speak of the photo's faces: the one searched for (None when there is none), and the
    others with Rekognition's reasons.
    """

    face_model_version: str
    matches: Sequence[tuple[float, User]]
    searched: FaceDetail | None = None
    unsearched: Sequence[tuple[Sequence[str], FaceDetail]] = ()


class Searches:
    """Finds who is in a collection."""

    def __init__(
        self, *, uses: Uses, photos: Photos, vision: Vision, faces: Faces, users: Users, search: Search
    ) -> None:
        self._uses = uses
        self._photos = photos
        self._vision = vision
        self._faces = faces
        self._users = users
        self._search = search

    def search_faces(
        self,
        caller: Caller,
        collection_id: str,
        face_id: str,
        *,
        threshold: float = DEFAULT_THRESHOLD,
        max_faces: int = MAX_FACES,
    ) -> FaceSearch:
        """Faces like an enrolled one, itself left out.

        Raises `ResourceNotFound` for the collection and `InvalidParameter` for the face.
        """
        with self._uses.use(caller, Action.SEARCH_FACES, collection_id, threshold=threshold, limit=max_faces) as use:
            probe = self._enrolled_face(use, face_id)
            return FaceSearch(use.collection.face_model_version, self._similar_faces(use, probe, exclude=face_id))

    def search_faces_by_image(
        self,
        caller: Caller,
        collection_id: str,
        source: PhotoSource,
        *,
        threshold: float = DEFAULT_THRESHOLD,
        max_faces: int = MAX_FACES,
        quality_filter: QualityFilter = QualityFilter.NONE,
    ) -> FaceSearch:
        """Faces like the largest one of a photo.

        Raises `ResourceNotFound` for the collection, `InvalidParameter` when no face passes the filter.
        """
        action = Action.SEARCH_FACES_BY_IMAGE
        asked: dict[str, Any] = {"threshold": threshold, "limit": max_faces, "quality_filter": quality_filter}
        with self._uses.use(caller, action, collection_id, **asked) as use:
            version = use.collection.face_model_version
            photo = self._photos.open(source)
            use.looked_at(photo)
            largest = largest_passing(self._vision, photo, quality_filter, version)
            if largest is None:
                raise InvalidParameter(NO_FACES)
            searched, probe = largest
            return FaceSearch(version, self._similar_faces(use, probe), searched)

    def search_faces_by_template(
        self,
        caller: Caller,
        collection_id: str,
        probe: Template,
        digest: str,
        *,
        threshold: float = DEFAULT_THRESHOLD,
        max_faces: int = MAX_FACES,
    ) -> FaceSearch:
        """Faces like one that was seen in a file, by the file's SHA-256: a search by an image, whose face is known.

        Raises `ResourceNotFound` for the collection.
        """
        action = Action.SEARCH_FACES_BY_IMAGE
        with self._uses.use(caller, action, collection_id, threshold=threshold, limit=max_faces) as use:
            use.saw_file(digest)
            return FaceSearch(use.collection.face_model_version, self._similar_faces(use, probe))

    def search_users(
        self,
        caller: Caller,
        collection_id: str,
        *,
        user_id: str | None = None,
        face_id: str | None = None,
        threshold: float = DEFAULT_THRESHOLD,
        max_users: int = MAX_USERS,
    ) -> UserSearch:
        """Users like an enrolled user (itself left out) or like an enrolled face: exactly one of the two is given.

        Raises `ResourceNotFound` for the collection and the user, `InvalidParameter` for the face.
        """
        with self._uses.use(caller, Action.SEARCH_USERS, collection_id, threshold=threshold, limit=max_users) as use:
            version = use.collection.face_model_version
            probe: Template | None
            if user_id is not None and face_id is None:
                probe = self._users.template(collection_id, user_id)
                use.searched_for(user_subject(self._users.get(collection_id, user_id).key), user_id)
            elif face_id is not None and user_id is None:
                probe = self._enrolled_face(use, face_id)
            else:
                raise InvalidParameter("Give exactly one of UserId and FaceId.")
            if probe is None:
                # A user without faces is like nobody.
                use.disclose([])
                return UserSearch(version, [])
            return UserSearch(version, self._similar_users(use, probe, exclude=user_id))

    def search_users_by_image(
        self,
        caller: Caller,
        collection_id: str,
        source: PhotoSource,
        *,
        threshold: float = DEFAULT_THRESHOLD,
        max_users: int = MAX_USERS,
        quality_filter: QualityFilter = QualityFilter.NONE,
    ) -> UserSearch:
        """Users like the largest face of a photo; a photo without a face matches nobody.

        Raises `ResourceNotFound` for the collection.
        """
        action = Action.SEARCH_USERS_BY_IMAGE
        asked: dict[str, Any] = {"threshold": threshold, "limit": max_users, "quality_filter": quality_filter}
        with self._uses.use(caller, action, collection_id, **asked) as use:
            version = use.collection.face_model_version
            photo = self._photos.open(source)
            use.looked_at(photo)
            detections = self._vision.detect(photo)
            details = self._vision.describe(photo, detections, frozenset())
            searched: tuple[FaceDetail, Template] | None = None
            unsearched: list[tuple[Sequence[str], FaceDetail]] = []
            for detection, detail in zip(detections, details, strict=True):
                if searched is not None:
                    unsearched.append(([FACE_NOT_LARGEST], detail))
                    continue
                probe, reasons = self._vision.appraise(photo, detection, detail, quality_filter, version)
                if probe is None:
                    unsearched.append((reasons, detail))
                else:
                    searched = (detail, probe)
            if searched is None:
                use.disclose([])
                return UserSearch(version, [], None, unsearched)
            return UserSearch(version, self._similar_users(use, searched[1]), searched[0], unsearched)

    def _enrolled_face(self, use: Use, face_id: str) -> Template:
        """The template of the face that is searched for. Raises `InvalidParameter` for one that is not there."""
        collection_id = use.collection.collection_id
        template = self._faces.template(collection_id, face_id)
        for face in self._faces.get(collection_id, [face_id]).values():
            use.searched_for(face_subject(face.key), face_id)
        return template

    def _similar_faces(self, use: Use, probe: Template, exclude: str | None = None) -> Sequence[tuple[float, Face]]:
        def found(cosine: float) -> Sequence[tuple[Face, float]]:
            return self._search.faces(use.collection, probe, cosine, use.limit, exclude=exclude)

        def candidate(similarity: float, face: Face) -> Candidate:
            named = {"FaceId": face.face_id, "ExternalImageId": face.external_image_id}
            return Candidate(similarity, face.face_id, face_subject(face.key), named)

        return self._matches(use, found, candidate)

    def _similar_users(self, use: Use, probe: Template, exclude: str | None = None) -> Sequence[tuple[float, User]]:
        def found(cosine: float) -> Sequence[tuple[User, float]]:
            return self._search.users(use.collection, probe, cosine, use.limit, exclude=exclude)

        def candidate(similarity: float, user: User) -> Candidate:
            return Candidate(similarity, user.user_id, user_subject(user.key), {"UserId": user.user_id})

        return self._matches(use, found, candidate)

    def _matches(
        self,
        use: Use,
        found: Callable[[float], Sequence[tuple[Subject, float]]],
        candidate: Callable[[float, Subject], Candidate],
    ) -> Sequence[tuple[float, Subject]]:
        """The subjects at or above the use's threshold, best first; none of them while they wait for review."""
        version = use.collection.face_model_version
        use.by(version)
        calibration = self._vision.calibration(version)
        scored = [
            (float(calibration.similarity(cosine)), subject)
            for subject, cosine in found(float(calibration.cosine(use.threshold)) - COSINE_SLACK)
        ]
        matches = [pair for pair in scored if pair[0] >= use.threshold]
        use.state(matches=len(matches), face_model_version=version)
        if matches:
            use.state(best=round(matches[0][0], 2))
        return matches if use.disclose([candidate(*pair) for pair in matches]) else []
