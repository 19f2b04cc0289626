"""Pose: how the head is turned.

Signs are Rekognition's, read off its own published answers (its documentation gives none), for somebody looking at
the photo:

    Roll    positive: the head is tilted clockwise (the eye on the right of the photo is lower)
    Yaw     positive: the face points to the right of the photo
    Pitch   positive: the face points up

The head's rotation is split as Rz(roll) Ry(yaw) Rx(pitch), so turning the photo in its plane by an angle adds that
angle to Roll and leaves the others as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countenance.vision.details import Pose
from countenance.vision.mesh import Mesh

# Points of the mesh that expressions move little, and where they are on a head that looks straight ahead, in
# distances between the eyes' centres, x to the photo's right, y down, z away from the camera: the mean of the meshes
# of 102 people who were asked to (Face Research Lab London Set), made symmetrical.
STRAIGHT: dict[int, tuple[float, float, float]] = {
    1: (0.000, 0.565, -0.665),
    2: (0.000, 0.685, -0.427),
    4: (0.000, 0.456, -0.694),
    5: (0.000, 0.320, -0.651),
    6: (0.000, 0.004, -0.381),
    8: (0.000, -0.211, -0.311),
    9: (0.000, -0.350, -0.325),
    10: (0.000, -0.898, -0.194),
    21: (-1.048, -0.358, 0.484),
    33: (-0.719, -0.005, 0.042),
    48: (-0.302, 0.547, -0.415),
    50: (-0.768, 0.507, -0.078),
    98: (-0.271, 0.658, -0.297),
    103: (-0.801, -0.720, 0.099),
    127: (-1.105, 0.110, 0.829),
    133: (-0.281, 0.005, -0.042),
    151: (0.000, -0.639, -0.266),
    168: (0.000, -0.105, -0.306),
    195: (0.000, 0.211, -0.556),
    197: (0.000, 0.110, -0.465),
    234: (-1.091, 0.350, 0.889),
    251: (1.048, -0.358, 0.484),
    263: (0.719, -0.005, 0.042),
    278: (0.302, 0.547, -0.415),
    280: (0.768, 0.507, -0.078),
    327: (0.271, 0.658, -0.297),
    332: (0.801, -0.720, 0.099),
    356: (1.105, 0.110, 0.829),
    362: (0.281, 0.005, -0.042),
    454: (1.091, 0.350, 0.889),
}
_IDS = list(STRAIGHT)
_TARGET = np.array(list(STRAIGHT.values()))
_CENTRED = _TARGET - _TARGET.mean(axis=0)


# The detector's keypoints on that head: eyes, nose, corners of the mouth.
FIVE = np.array(
    [(-0.5, 0.0, 0.0), (0.5, 0.0, 0.0), (0.0, 0.565, -0.665), (-0.405, 1.053, -0.143), (0.405, 1.053, -0.143)]
)


def measure(mesh: Mesh, keypoints: NDArray[np.float32]) -> Pose:
    """The pose of a face: of its mesh, or of the detector's `keypoints`, (5, 2), where no mesh was found.

    Of a mesh, roll is good to half a degree. Yaw and pitch depend on a person's features: on people who look straight
    ahead their standard deviation is 2.4 and 4.6 degrees. Yaw beyond 45 degrees comes out too small. Of keypoints, yaw
    is rough and pitch is not known to better than 10 degrees.
    """
    matrix = rotation(mesh.points) if mesh.found else _rotation_of_five(keypoints)
    roll, yaw, pitch = angles(matrix)
    return Pose(roll, yaw, pitch)


def _rotation_of_five(keypoints: NDArray[np.float32]) -> NDArray[np.float64]:
    """The rotation, (3, 3), whose picture from far away is nearest to the keypoints."""
    seen = keypoints.astype(np.float64) - keypoints.mean(axis=0)
    affine = np.linalg.lstsq(FIVE - FIVE.mean(axis=0), seen, rcond=None)[0].T
    u, _, vt = np.linalg.svd(affine, full_matrices=False)
    rows = u @ vt
    return np.vstack([rows, np.cross(rows[0], rows[1])])


def rotation(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """The rotation, (3, 3), from a head that looks straight ahead to the mesh `points`, (468, 3).

    Least squares over the stiff points, with scale (Umeyama 1991).
    """
    found = points[_IDS].astype(np.float64)
    u, _, vt = np.linalg.svd((found - found.mean(axis=0)).T @ _CENTRED)
    handed = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    return np.asarray(u @ handed @ vt)


def straightened(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mesh `points`, (468, 3), as if the head looked straight ahead.

    Between the centres of the eyes, in distances between them; x to the photo's right, y down, z away.
    """
    straight = (points.astype(np.float64) - points.mean(axis=0)) @ rotation(points)
    left, right = straight[[33, 133]].mean(axis=0), straight[[362, 263]].mean(axis=0)
    return np.asarray((straight - (left + right) / 2) / max(float(np.linalg.norm(right - left)), 1e-6))


def angles(matrix: NDArray[np.float64]) -> tuple[float, float, float]:
    """Roll, yaw and pitch of a rotation, in degrees."""
    roll = np.arctan2(matrix[1, 0], matrix[0, 0])
    yaw = np.arcsin(np.clip(matrix[2, 0], -1, 1))
    pitch = -np.arctan2(matrix[2, 1], matrix[2, 2])
    return float(np.degrees(roll)), float(np.degrees(yaw)), float(np.degrees(pitch))
