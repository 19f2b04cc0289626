"""The shape of a face: 468 points in three dimensions.

Points are numbered as in MediaPipe's Face Mesh (https://github.com/google-ai-edge/mediapipe, canonical_face_model).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.vision import crops
from countenance.vision.detection import Detection
from countenance.vision.images import Photo
from countenance.vision.models.sessions import Session

SIZE = 192  # pixels; what the model takes
POINTS = 468

# Below this presence the points lie beside the face. Nearly all such faces are seen from the side.
FOUND = 0.5

# The model was trained on squares of this many face boxes (MediaPipe's face_landmark graph).
MARGIN = 1.5

# Beyond this the crop was not upright enough for good points, and is taken again along the eyes that were found. With
# that, roll is off by 0.3 degrees on average and 1.1 at most at every lean up to 60; without, by up to 0.8 and 3.9 (21
# portraits, turned).
MAX_RESIDUAL_ROLL = np.radians(8)

EYE_LEFT_OUTER, EYE_LEFT_INNER = 33, 133
EYE_RIGHT_INNER, EYE_RIGHT_OUTER = 362, 263


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """The points of one face.

    `points` is float32 (468, 3): x and y in pixels of the upright photo, z in the same unit, smaller nearer to the
    camera. `presence` is the probability, 0 to 1, that there is a face in the crop at all.
    """

    points: NDArray[np.float32]
    presence: float
    crop: crops.Crop

    @property
    def found(self) -> bool:
        """Whether the points can be believed."""
        return self.presence >= FOUND

    @property
    def flat(self) -> NDArray[np.float32]:
        """The points without depth, (468, 2)."""
        return self.points[:, :2]


class FaceMesh:
    """Fits meshes with a `landmarks` model: outputs `mesh` (n, 468 * 3) and `presence` (n, 1), a logit."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def fit(self, photo: Photo, detections: Sequence[Detection]) -> list[Mesh]:
        """One mesh for each of `detections`, in their order."""
        found = self._fit(
            photo,
            [
                (_centre(photo, detection), detection.keypoints[1] - detection.keypoints[0], _side(photo, detection))
                for detection in detections
            ],
        )
        again = [index for index, mesh in enumerate(found) if abs(_residual_roll(mesh)) > MAX_RESIDUAL_ROLL]
        retaken = self._fit(photo, [_region(found[index]) for index in again])
        for index, mesh in zip(again, retaken, strict=True):
            found[index] = mesh
        return found

    def _fit(self, photo: Photo, regions: list[tuple[NDArray[np.floating], NDArray[np.floating], float]]) -> list[Mesh]:
        if not regions:
            return []
        taken = [crops.upright(photo.pixels, centre, across, side, SIZE) for centre, across, side in regions]
        outputs = self._session.infer(np.stack([crop.pixels for crop in taken]))
        shapes = outputs["mesh"].reshape(len(taken), POINTS, 3)
        logits = outputs["presence"].reshape(len(taken)).astype(np.float64)
        presences = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
        return [
            Mesh(crop.to_photo(shape), float(presence), crop)
            for crop, shape, presence in zip(taken, shapes, presences, strict=True)
        ]


def _centre(photo: Photo, detection: Detection) -> NDArray[np.float64]:
    box = detection.bounding_box
    return np.array([(box.left + box.width / 2) * photo.width, (box.top + box.height / 2) * photo.height])


def _side(photo: Photo, detection: Detection) -> float:
    box = detection.bounding_box
    return MARGIN * max(box.width * photo.width, box.height * photo.height)


def eye_centres(points: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The middles of the two eyes, between their corners and lids, left of the photo first; (2,) each."""
    flat = points[:, :2]
    return flat[[33, 133, 159, 145]].mean(axis=0), flat[[362, 263, 386, 374]].mean(axis=0)


def _residual_roll(mesh: Mesh) -> float:
    """How far the eye line of `mesh` is from level in the crop it was found in, in radians."""
    left, right = eye_centres(mesh.points)
    across = mesh.crop.matrix[:, :2] @ (right - left)
    return float(np.arctan2(across[1], across[0]))


def _region(mesh: Mesh) -> tuple[NDArray[np.floating], NDArray[np.floating], float]:
    """Where to look again: around the points found, along their eye line."""
    left, right = eye_centres(mesh.points)
    across = (right - left) / max(float(np.hypot(*(right - left))), 1e-6)
    down = np.array([-across[1], across[0]])
    axes = np.stack([across, down])
    turned = mesh.flat @ axes.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    return (low + high) / 2 @ axes, across, MARGIN * float((high - low).max())
