"""Use cases on a video file at the machine: who is in it, and whom of a collection they are. Nothing of it is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from countenance.errors import ResourceNotFound
from countenance.faces import Template
from countenance.gallery.collections import Collections
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.recognition import DEFAULT_THRESHOLD
from countenance.service.searches import MAX_FACES, FaceSearch, Searches
from countenance.service.uses import Uses
from countenance.settings import Settings
from countenance.video.decoding import Damaged, VideoLimits, VideoMetadata, opened
from countenance.video.tracking import TrackedFace, Tracking
from countenance.vision.analysis import Vision
from countenance.vision.details import Attribute


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """What was seen in a video: faces by time, each of a person counted from 0.

    `templates` are those that the persons can be searched with; `damage` says how far a damaged video could be read.
    """

    digest: str
    metadata: VideoMetadata
    faces: Sequence[TrackedFace]
    templates: dict[int, Template]
    damage: str | None = None


class Clips:
    """Tracks the people of video files, and searches for them one by one."""

    def __init__(
        self, *, uses: Uses, vision: Vision, collections: Collections, searches: Searches, settings: Settings
    ) -> None:
        self._uses = uses
        self._vision = vision
        self._collections = collections
        self._searches = searches
        self.limits = VideoLimits(settings.max_video_bytes, settings.max_video_seconds, settings.max_frame_pixels)

    def track(
        self,
        caller: Caller,
        path: Path,
        *,
        collection_id: str | None = None,
        attributes: frozenset[Attribute] = frozenset(),
        progress: Callable[[int, int], None] = lambda _now, _whole: None,
    ) -> Clip:
        """The people of a video. They can be searched for in the collection that is named; without one no template is
        made of anybody.

        `progress` is told how many milliseconds of how many are done. Raises `ResourceNotFound` for the collection, and
        what `video.decoding.opened` does.
        """
        with self._uses.use(caller, Action.START_FACE_DETECTION) as use:
            version = None if collection_id is None else self._version(collection_id)
            with opened(path, self.limits) as video:
                digest = _digest(path)
                use.saw_file(digest)
                tracking = Tracking(self._vision, version, attributes=attributes)
                faces: list[TrackedFace] = []
                damage: str | None = None
                try:
                    for frame, seen in tracking.follow(video):
                        faces += seen
                        progress(frame.timestamp_ms, video.metadata.duration_ms)
                except Damaged as error:
                    damage = error.message
                templates = {one.person: one.template for one in tracking.templates()}
                use.saw(len({face.person for face in faces}))
                return Clip(digest, video.metadata, faces, templates, damage)

    def search(
        self,
        caller: Caller,
        collection_id: str,
        clip: Clip,
        person: int,
        *,
        threshold: float = DEFAULT_THRESHOLD,
        max_faces: int = MAX_FACES,
    ) -> FaceSearch:
        """Faces of a collection like a person of a video that was tracked for it: a search like any by a photo.

        Raises `ResourceNotFound` for the collection.
        """
        return self._searches.search_faces_by_template(
            caller, collection_id, clip.templates[person], clip.digest, threshold=threshold, max_faces=max_faces
        )

    def _version(self, collection_id: str) -> str:
        found = self._collections.find(collection_id)
        if found is None:
            raise ResourceNotFound(f"The collection id: {collection_id} does not exist")
        return found.face_model_version


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
