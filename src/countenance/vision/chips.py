"""Face chips: the crop that dlib's age and gender models were trained on."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.vision.alignment import similarity
from countenance.vision.images import Photo
from countenance.vision.mesh import Mesh

# The mean places of the five points of dlib's shape predictor in a chip without padding (dlib,
# image_transforms/interpolation.h, get_face_chip_details), and the mesh points that stand for them: corners of the
# eye on the photo's right, outer first, of the one on its left, and the base of the nose.
_MEAN = np.array(
    [
        (0.8595674595992, 0.2134981538014),
        (0.6460604764104, 0.2289674387677),
        (0.1205750620789, 0.2137274526848),
        (0.3340850613712, 0.2290642403242),
        (0.4901123135679, 0.6277975316475),
    ]
)
_POINTS = [263, 362, 33, 133, 2]
_PADDING = 0.2


def chip(photo: Photo, mesh: Mesh, size: int) -> NDArray[np.uint8]:
    """The face, upright, as uint8 (size, size, 3) RGB."""
    matrix = similarity(mesh.flat[_POINTS], (_MEAN + _PADDING) / (1 + 2 * _PADDING) * size)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    source = photo.pixels
    if scale < 0.5:  # chips are small: average what would fall between their pixels
        part, corner = _around(photo, mesh)
        source = np.asarray(cv2.GaussianBlur(part, (0, 0), 0.35 / max(scale, 1e-3)), np.uint8)
        matrix[:, 2] += matrix[:, :2] @ corner
    return np.asarray(cv2.warpAffine(source, matrix, (size, size), flags=cv2.INTER_LINEAR), np.uint8)


def _around(photo: Photo, mesh: Mesh) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The part of the photo that holds the face and half as much around it, and its corner in the photo."""
    low, high = mesh.flat.min(axis=0).astype(np.float64), mesh.flat.max(axis=0).astype(np.float64)
    reach = (high - low) / 2
    size = np.array([photo.width, photo.height])
    start = np.clip(np.floor(low - reach), 0, size - 1).astype(int)
    end = np.clip(np.ceil(high + reach), start + 1, size).astype(int)
    return photo.pixels[start[1] : end[1], start[0] : end[0]], start.astype(np.float64)
