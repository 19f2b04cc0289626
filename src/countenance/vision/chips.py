"""Face chips: the crop that dlib's age and gender models were trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countenance.vision import crops
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
    scale = max(float(np.hypot(*matrix[:, 0])), 1e-6)
    turn = matrix[:, :2] / scale
    centre = turn.T @ (size / 2 - matrix[:, 2]) / scale
    return crops.upright(photo.pixels, centre, turn[0], size / scale, size).pixels
