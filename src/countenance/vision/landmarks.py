"""Landmarks: Rekognition's thirty named points of a face.

Which mesh point is meant by which name was settled on answers of Rekognition itself that others have published: its
points of frontal faces, brought to the same eyes and mouth, against the mean mesh of 102 frontal portraits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countenance.vision.details import Landmark, LandmarkType
from countenance.vision.detection import Detection
from countenance.vision.eyes import Eyes
from countenance.vision.images import Photo
from countenance.vision.mesh import Mesh

# The five points of every answer, in Rekognition's order.
_DEFAULT: dict[LandmarkType, tuple[int, ...]] = {
    LandmarkType.EYE_LEFT: (33, 133, 159, 145),
    LandmarkType.EYE_RIGHT: (362, 263, 386, 374),
    LandmarkType.MOUTH_LEFT: (61,),
    LandmarkType.MOUTH_RIGHT: (291,),
    LandmarkType.NOSE: (1,),
}
# Several mesh points stand for the point between them: the middle line of a brow.
_FROM_MESH: dict[LandmarkType, tuple[int, ...]] = {
    **_DEFAULT,
    LandmarkType.LEFT_EYE_BROW_LEFT: (46, 70),
    LandmarkType.LEFT_EYE_BROW_RIGHT: (55, 107),
    LandmarkType.LEFT_EYE_BROW_UP: (52, 105),
    LandmarkType.RIGHT_EYE_BROW_LEFT: (285, 336),
    LandmarkType.RIGHT_EYE_BROW_RIGHT: (276, 300),
    LandmarkType.RIGHT_EYE_BROW_UP: (282, 334),
    LandmarkType.NOSE_LEFT: (240,),
    LandmarkType.NOSE_RIGHT: (460,),
    LandmarkType.MOUTH_UP: (0,),
    LandmarkType.MOUTH_DOWN: (17,),
    LandmarkType.UPPER_JAWLINE_LEFT: (127,),
    LandmarkType.MID_JAWLINE_LEFT: (58,),
    LandmarkType.CHIN_BOTTOM: (152,),
    LandmarkType.MID_JAWLINE_RIGHT: (288,),
    LandmarkType.UPPER_JAWLINE_RIGHT: (356,),
}


# The detector's keypoints, in its order.
_KEYPOINTS = (
    LandmarkType.EYE_LEFT,
    LandmarkType.EYE_RIGHT,
    LandmarkType.NOSE,
    LandmarkType.MOUTH_LEFT,
    LandmarkType.MOUTH_RIGHT,
)


def five(mesh: Mesh, detection: Detection, photo: Photo) -> tuple[Landmark, ...]:
    """The five landmarks of every answer: eyes, corners of the mouth, nose; the detector's where no mesh was found."""
    if not mesh.found:
        return _ordered(dict(zip(_KEYPOINTS, detection.keypoints, strict=True)), photo)
    return _ordered({kind: mesh.flat[list(ids)].mean(axis=0) for kind, ids in _DEFAULT.items()}, photo)


def thirty(mesh: Mesh, eyes: Eyes, photo: Photo) -> tuple[Landmark, ...]:
    """All landmarks, the first five the same as of `five`. Lids, corners and pupils of the eyes are those of `eyes`."""
    points = {kind: mesh.flat[list(ids)].mean(axis=0) for kind, ids in _FROM_MESH.items()}
    points |= {
        LandmarkType.LEFT_EYE_LEFT: eyes.left.outer,
        LandmarkType.LEFT_EYE_RIGHT: eyes.left.inner,
        LandmarkType.LEFT_EYE_UP: eyes.left.upper_lid,
        LandmarkType.LEFT_EYE_DOWN: eyes.left.lower_lid,
        LandmarkType.RIGHT_EYE_LEFT: eyes.right.inner,
        LandmarkType.RIGHT_EYE_RIGHT: eyes.right.outer,
        LandmarkType.RIGHT_EYE_UP: eyes.right.upper_lid,
        LandmarkType.RIGHT_EYE_DOWN: eyes.right.lower_lid,
        LandmarkType.LEFT_PUPIL: eyes.left.pupil,
        LandmarkType.RIGHT_PUPIL: eyes.right.pupil,
    }
    return _ordered(points, photo)


def _ordered(points: dict[LandmarkType, NDArray[np.float32]], photo: Photo) -> tuple[Landmark, ...]:
    size = (photo.width, photo.height)
    return tuple(
        Landmark(kind, float(points[kind][0]) / size[0], float(points[kind][1]) / size[1])
        for kind in LandmarkType
        if kind in points
    )
