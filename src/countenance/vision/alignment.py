"""Alignment: the crop of a face that recognizers are trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countenance.vision import crops

# Where ArcFace's crop of 112x112 pixels puts the five keypoints (Deng, Guo, Xue, Zafeiriou 2019; the values are those
# of insightface's and OpenCV's alignment): eyes, nose, corners of the mouth.
ARCFACE_SIDE = 112
ARCFACE_TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)],
    dtype=np.float64,
)

# No photo holds a face 100,000 pixels wide: keypoints that far apart, or all in one place, show neither size nor lean.
SMALLEST_SCALE = 1e-3


def similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """The turn, uniform scale and shift that bring points nearest to others, as a float64 (2, 3) matrix.

    Least squares over `source` and `target`, both (n, 2) (Umeyama 1991, without reflection). In the plane a turn and
    scale are one complex factor, which has a closed form. Points that all coincide give a finite, useless matrix.
    """
    source_mean, target_mean = source.mean(axis=0, dtype=np.float64), target.mean(axis=0, dtype=np.float64)
    a = (source - source_mean) @ (1, 1j)
    b = (target - target_mean) @ (1, 1j)
    factor = np.vdot(a, b) / max(np.vdot(a, a).real, np.finfo(np.float64).tiny)
    linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([linear, target_mean - linear @ source_mean])


def arcface_crop(
    pixels: NDArray[np.uint8], keypoints: NDArray[np.float32], *, side: int = ARCFACE_SIDE, scale: float = 1.0
) -> NDArray[np.uint8]:
    """The RGB crop with `keypoints`, (5, 2) in pixels, moved to ArcFace's template; black outside the photo.

    (112, 112, 3), or (side, side, 3) with the template enlarged by `scale` in its middle. Faces more than twice as
    large are averaged down first: sampled bare, as is usual, the template of a face of 500 pixels loses 0.025 of its
    cosine to the same person's.
    """
    matrix = similarity(keypoints, (ARCFACE_TEMPLATE - ARCFACE_SIDE / 2) * scale + side / 2)
    enlargement = float(np.hypot(*matrix[:, 0]))
    if enlargement < SMALLEST_SCALE:
        enlargement, matrix = 1.0, np.column_stack([np.eye(2), side / 2 - keypoints.mean(axis=0)])
    linear = matrix[:, :2] / enlargement
    centre = linear.T @ (side / 2 - matrix[:, 2]) / enlargement
    return crops.upright(pixels, centre, linear[0], side / enlargement, side).pixels
