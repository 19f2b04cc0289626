"""Tracking: the people of a video, each one number through time, and the template each is searched with.

Faces are detected densely and described and embedded seldom, so that the cost follows people and not frames.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.faces import BoundingBox, Template
from countenance.video.decoding import Frame, Video
from countenance.video.paths import LOST_MS, Change, Path, Vector, assign
from countenance.vision.analysis import Vision
from countenance.vision.details import Attribute, FaceDetail
from countenance.vision.detection import Detection
from countenance.vision.images import Photo

# How often faces are looked for, in milliseconds: a face may move by half its size in between and is followed.
DETECT_EVERY_MS = 100
# How often each face is described, as Rekognition does.
DESCRIBE_EVERY_MS = 500

# The best faces of a person that make its template; a better one takes the worst one's place when it is better by this
# factor, so that their number stays bounded however long the video is.
MAX_PORTRAITS = 5
BETTER = 1.15

# Similarities from which a face is taken for that of a path within reach, and below which it is not even taken for it
# in its place: paths are few, and faces that turn away are little like themselves.
ALIKE, UNLIKE = 30.0, 10.0

# Side of a face in pixels, and its sharpness, from which more of them does not make a better portrait.
_ENOUGH_PIXELS, _ENOUGH_SHARPNESS = 112.0, 80.0

# The thumbnail in which changes of the scene are seen. The mean difference of its greys, of 255, from which much has
# moved: people alone who walk by make 7. The share of its pixels that have another of 64 colours, position apart, from
# which it is another scene: cameras that turn fast make 0.36 in 100 ms.
_THUMBNAIL = (32, 18)
_MOVED, _CUT = 12.0, 0.45


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFace:
    """A face of a frame: whose it is in this video, counted from 0; `detail` where it was time to describe it."""

    timestamp_ms: int
    person: int
    detection: Detection
    detail: FaceDetail | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PersonTemplate:
    """What a person of the video is searched with: the mean of its best faces, weighted by their quality."""

    person: int
    template: Template


class Tracking:
    """How far the tracking of one video is. Not thread-safe.

    With `face_model_version`, faces are embedded, so that people keep their number when they were hidden and can be
    searched for. Without, nothing is: paths are told by movement alone.

    `state` goes on where another Tracking was when it gave its `state()`, in the same process or another; what comes
    then is what would have come there.
    """

    def __init__(
        self,
        vision: Vision,
        face_model_version: str | None = None,
        *,
        attributes: frozenset[Attribute] = frozenset(),
        state: bytes | None = None,
    ) -> None:
        self._vision = vision
        self._version = face_model_version
        self._attributes = attributes
        self._alike, self._unlike = 1.0, 1.0
        if face_model_version is not None:
            calibration = vision.calibration(face_model_version)
            self._alike, self._unlike = calibration.cosine(ALIKE), calibration.cosine(UNLIKE)
        self.reached_ms = 0  # where reading goes on
        self._people = 0
        self._paths: list[Path] = []
        self._ended: dict[int, Vector] = {}
        self._thumbnail: NDArray[np.uint8] | None = None
        if state is not None:
            self._restore(json.loads(state))

    def follow(self, video: Video, *, until_ms: int | None = None) -> Iterator[tuple[Frame, list[TrackedFace]]]:
        """The sampled frames of the video, from where this tracking is up to `until_ms`, with the faces of each.

        Raises what `Video.frames` does; what was read before is tracked.
        """
        for frame in video.frames(from_ms=self.reached_ms, every_ms=DETECT_EVERY_MS):
            if until_ms is not None and frame.timestamp_ms >= until_ms:
                self.reached_ms = until_ms // DETECT_EVERY_MS * DETECT_EVERY_MS
                return
            yield frame, self.add(frame)

    def add(self, frame: Frame) -> list[TrackedFace]:
        """The faces of the next frame, the largest 100, largest first."""
        now, photo = frame.timestamp_ms, frame.photo
        detections = self._vision.detect(photo)
        looks: dict[int, Vector] = {}

        def look(number: int) -> Vector:
            if number not in looks:
                looks[number] = self._embedding(photo, detections[number])
            vector = looks[number]
            return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)

        self._end_paths(now)
        found = assign(
            self._paths,
            [detection.bounding_box for detection in detections],
            now,
            change=self._change(frame),
            look=look if self._version is not None else None,
            alike=self._alike,
            unlike=self._unlike,
        )
        paths = [self._continued(path, detection, now) for path, detection in zip(found, detections, strict=True)]
        details = self._described(photo, detections, paths, now)
        if self._version is not None:
            for number, detail in details.items():
                self._portray(paths[number], photo, detections[number], detail, looks.get(number))
        self.reached_ms = (now // DETECT_EVERY_MS + 1) * DETECT_EVERY_MS
        return [
            TrackedFace(now, path.person, detection, details.get(number))
            for number, (path, detection) in enumerate(zip(paths, detections, strict=True))
        ]

    def templates(self) -> list[PersonTemplate]:
        """One template for each person seen so far, by number; none where nothing is embedded."""
        vectors = self._ended | {path.person: vector for path in self._paths if (vector := path.vector()) is not None}
        version = self._version
        if version is None:
            return []
        return [PersonTemplate(person, Template(vectors[person], version)) for person in sorted(vectors)]

    def state(self) -> bytes:
        """All that `state=` needs to go on elsewhere. It holds templates where faces are embedded: keep it as such."""
        state = {
            "reached_ms": self.reached_ms,
            "people": self._people,
            "thumbnail": None if self._thumbnail is None else base64.b64encode(self._thumbnail.tobytes()).decode(),
            "ended": {person: _text(vector) for person, vector in self._ended.items()},
            "paths": [
                {
                    "person": path.person,
                    "box": astuple(path.box),
                    "seen_ms": path.seen_ms,
                    "velocity": path.velocity,
                    "told_ms": path.told_ms,
                    "portraits": [(quality, _text(vector)) for quality, vector in path.portraits],
                }
                for path in self._paths
            ],
        }
        return json.dumps(state).encode()

    def _restore(self, state: dict[str, object]) -> None:
        reached, people, thumbnail = state["reached_ms"], state["people"], state["thumbnail"]
        ended, paths = state["ended"], state["paths"]
        assert isinstance(reached, int)
        assert isinstance(people, int)
        assert isinstance(ended, dict)
        assert isinstance(paths, list)
        self.reached_ms, self._people = reached, people
        if isinstance(thumbnail, str):
            self._thumbnail = np.frombuffer(base64.b64decode(thumbnail), np.uint8).reshape(*_THUMBNAIL[::-1], 3)
        self._ended = {int(person): _vector(text) for person, text in ended.items()}
        self._paths = [
            Path(
                path["person"],
                BoundingBox(*path["box"]),
                path["seen_ms"],
                (path["velocity"][0], path["velocity"][1]),
                path["told_ms"],
                [(quality, _vector(text)) for quality, text in path["portraits"]],
            )
            for path in paths
        ]

    def _end_paths(self, now: int) -> None:
        """Paths that nothing can go on with any more leave their template."""
        for path in self._paths:
            if now - path.seen_ms > LOST_MS and (vector := path.vector()) is not None:
                self._ended[path.person] = vector
        self._paths = [path for path in self._paths if now - path.seen_ms <= LOST_MS]

    def _change(self, frame: Frame) -> Change:
        """How different this frame is from the one before."""
        thumbnail = np.asarray(cv2.resize(frame.pixels, _THUMBNAIL, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        before, self._thumbnail = self._thumbnail, thumbnail
        if before is None:
            return Change.STEADY
        if float(np.abs(_colours(before) - _colours(thumbnail)).sum()) / 2 > _CUT:
            return Change.CUT
        moved = float(cv2.absdiff(_grey(before), _grey(thumbnail)).mean()) > _MOVED
        return Change.MOVED if moved else Change.STEADY

    def _continued(self, path: Path | None, detection: Detection, now: int) -> Path:
        if path is None:
            path = Path(self._people, detection.bounding_box, now)
            self._people += 1
            self._paths.append(path)
        else:
            path.goes_on(now, detection.bounding_box)
        return path

    def _described(
        self, photo: Photo, detections: Sequence[Detection], paths: Sequence[Path], now: int
    ) -> dict[int, FaceDetail]:
        """What is to be said of those faces that it is time for, by their numbers."""
        due = [
            number
            for number, path in enumerate(paths)
            if path.told_ms is None or now // DESCRIBE_EVERY_MS > path.told_ms // DESCRIBE_EVERY_MS
        ]
        details = self._vision.describe(photo, [detections[number] for number in due], self._attributes)
        for number in due:
            paths[number].told_ms = now
        return dict(zip(due, details, strict=True))

    def _portray(
        self, path: Path, photo: Photo, detection: Detection, detail: FaceDetail, vector: Vector | None
    ) -> None:
        """Add the face to the portraits of its path, if it is good enough."""
        quality = _quality(detail)
        if len(path.portraits) == MAX_PORTRAITS:
            worst = min(path.portraits, key=lambda portrait: portrait[0])
            if quality < BETTER * worst[0]:
                return
            path.portraits = [portrait for portrait in path.portraits if portrait is not worst]
        path.portraits.append((quality, self._embedding(photo, detection) if vector is None else vector))

    def _embedding(self, photo: Photo, detection: Detection) -> Vector:
        """The face's embedding, float32 (d,), as long as the recognizer made it: it is longer the more it shows."""
        assert self._version is not None
        (embedding,) = self._vision.recognizer(self._version).embeddings(photo, [detection])
        return np.asarray(embedding.template.vector * np.float32(embedding.norm), dtype=np.float32)


def _quality(detail: FaceDetail) -> float:
    """How good a portrait a face makes, 0 to 1, before it is embedded: large, sharp and seen from the front."""
    yaw, pitch = np.radians(detail.pose.yaw), np.radians(detail.pose.pitch)
    front = max(0.0, float(np.cos(yaw))) * max(0.0, float(np.cos(pitch)))
    size = min(1.0, detail.side / _ENOUGH_PIXELS)
    sharp = min(1.0, detail.quality.sharpness / _ENOUGH_SHARPNESS)
    return size * sharp * front * detail.confidence / 100


def _grey(thumbnail: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(thumbnail, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _colours(thumbnail: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The share of pixels that have each of 64 colours."""
    colours = (thumbnail.reshape(-1, 3) // 64).astype(np.int64) @ np.array([16, 4, 1])
    return np.asarray(np.bincount(colours, minlength=64) / len(colours), dtype=np.float64)


def _text(vector: Vector) -> str:
    return base64.b64encode(vector.tobytes()).decode()


def _vector(text: str) -> Vector:
    return np.frombuffer(base64.b64decode(text), np.float32)
