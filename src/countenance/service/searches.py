"""Use cases that search a collection: faces and users, by an enrolled one or by a photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from countenance.errors import InvalidParameter
from countenance.faces import Template
from countenance.gallery.collections import Collection, Collections
from countenance.gallery.faces import Face, Faces
from countenance.gallery.search import Search
from countenance.gallery.users import User, Users
from countenance.service.callers import Caller
from countenance.service.photos import Photos, PhotoSource
from countenance.service.recognition import DEFAULT_THRESHOLD, largest_passing
from countenance.service.uses import Action, Fact, Outcome, use
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
        self, *, photos: Photos, vision: Vision, collections: Collections, faces: Faces, users: Users, search: Search
    ) -> None:
        self._photos = photos
        self._vision = vision
        self._collections = collections
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
        with use(caller, Action.SEARCH_FACES, collection_id, threshold=threshold, limit=max_faces) as outcome:
            collection = self._collections.get(collection_id)
            probe = self._faces.template(collection_id, face_id)
            found = self._found_faces(collection, probe, max_faces, exclude=face_id)
            return FaceSearch(collection.face_model_version, self._matches(collection, threshold, found, outcome))

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
        with use(caller, Action.SEARCH_FACES_BY_IMAGE, collection_id, threshold=threshold, limit=max_faces) as outcome:
            collection = self._collections.get(collection_id)
            photo = self._photos.open(source)
            largest = largest_passing(self._vision, photo, quality_filter, collection.face_model_version)
            if largest is None:
                raise InvalidParameter(NO_FACES)
            searched, probe = largest
            found = self._found_faces(collection, probe, max_faces)
            matches = self._matches(collection, threshold, found, outcome)
            return FaceSearch(collection.face_model_version, matches, searched)

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
        with use(caller, Action.SEARCH_USERS, collection_id, threshold=threshold, limit=max_users) as outcome:
            collection = self._collections.get(collection_id)
            probe: Template | None
            if user_id is not None and face_id is None:
                probe = self._users.template(collection_id, user_id)
            elif face_id is not None and user_id is None:
                probe = self._faces.template(collection_id, face_id)
            else:
                raise InvalidParameter("Give exactly one of UserId and FaceId.")
            if probe is None:
                # A user without faces is like nobody.
                outcome.state(matches=0)
                return UserSearch(collection.face_model_version, [])
            found = self._found_users(collection, probe, max_users, exclude=user_id)
            return UserSearch(collection.face_model_version, self._matches(collection, threshold, found, outcome))

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
        with use(caller, Action.SEARCH_USERS_BY_IMAGE, collection_id, threshold=threshold, limit=max_users) as outcome:
            collection = self._collections.get(collection_id)
            version = collection.face_model_version
            photo = self._photos.open(source)
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
                outcome.state(matches=0)
                return UserSearch(version, [], None, unsearched)
            found = self._found_users(collection, searched[1], max_users)
            return UserSearch(version, self._matches(collection, threshold, found, outcome), searched[0], unsearched)

    def _found_faces(
        self, collection: Collection, probe: Template, limit: int, exclude: str | None = None
    ) -> Callable[[float], Sequence[tuple[Face, float]]]:
        return lambda cosine: self._search.faces(collection, probe, cosine, limit, exclude=exclude)

    def _found_users(
        self, collection: Collection, probe: Template, limit: int, exclude: str | None = None
    ) -> Callable[[float], Sequence[tuple[User, float]]]:
        return lambda cosine: self._search.users(collection, probe, cosine, limit, exclude=exclude)

    def _matches(
        self,
        collection: Collection,
        threshold: float,
        found: Callable[[float], Sequence[tuple[Subject, float]]],
        outcome: Outcome,
    ) -> list[tuple[float, Subject]]:
        calibration = self._vision.calibration(collection.face_model_version)
        scored = [
            (float(calibration.similarity(cosine)), subject)
            for subject, cosine in found(float(calibration.cosine(threshold)) - COSINE_SLACK)
        ]
        matches = [pair for pair in scored if pair[0] >= threshold]
        facts: dict[str, Fact] = {"matches": len(matches), "face_model_version": collection.face_model_version}
        if matches:
            facts["best"] = round(matches[0][0], 2)
        outcome.state(**facts)
        return matches
