"""What may be done with a face before it is embedded, instead of what is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.vision.alignment import ARCFACE_SIDE, ARCFACE_TEMPLATE, arcface_crop, similarity

# Lightness (0 to 1) that the middle of a crop is brought to, and how far the curve may be bent for that.
MIDDLE_LIGHT, MOST_GAMMA = 0.5, 2.5

# From a photo's pixels and the five keypoints to the crop that is embedded.
Treatment = Callable[[NDArray[np.uint8], NDArray[np.float32]], NDArray[np.uint8]]


def brought_to_middle_light(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Gamma on the lightness L* alone, so that its mean over the middle of the face becomes MIDDLE_LIGHT."""
    lab = cv2.cvtColor(crop, cv2.COLOR_RGB2LAB)
    quarter = ARCFACE_SIDE // 4
    mean = float(np.clip(lab[quarter:-quarter, quarter:-quarter, 0].mean() / 255, 0.01, 0.99))
    gamma = float(np.clip(np.log(MIDDLE_LIGHT) / np.log(mean), 1 / MOST_GAMMA, MOST_GAMMA))
    curve = np.round(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    lab[:, :, 0] = curve[lab[:, :, 0]]
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


def equalised(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """CLAHE on L*: 4x4 tiles, clipped at 2."""
    lab = cv2.cvtColor(crop, cv2.COLOR_RGB2LAB)
    lab[:, :, 0] = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(4, 4)).apply(lab[:, :, 0])
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


def fitted(keypoints: NDArray[np.float32], chosen: Sequence[int]) -> NDArray[np.float32]:
    """Five keypoints as those `chosen` alone would put them: the crop is then the one that they ask for."""
    matrix = similarity(ARCFACE_TEMPLATE[list(chosen)], keypoints[list(chosen)])
    return (ARCFACE_TEMPLATE @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def without_outlier(keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
    """The fit to the four keypoints that are left when the one farthest from the fit to all five is dropped."""
    off = np.linalg.norm(fitted(keypoints, range(5)) - keypoints, axis=1)
    return fitted(keypoints, [point for point in range(5) if point != int(off.argmax())])


# The mirror image is only half of its treatment: the template is the mean with that of the crop.
SHIPPED, MIRRORED = "as shipped", "mean with the mirror image"
TREATMENTS: dict[str, Treatment] = {
    SHIPPED: arcface_crop,
    MIRRORED: lambda pixels, points: np.ascontiguousarray(arcface_crop(pixels, points)[:, ::-1]),
    "gamma to middle light": lambda pixels, points: brought_to_middle_light(arcface_crop(pixels, points)),
    "CLAHE": lambda pixels, points: equalised(arcface_crop(pixels, points)),
    "face 10 % larger in the crop": lambda pixels, points: arcface_crop(pixels, points, scale=1.1),
    "face 10 % smaller in the crop": lambda pixels, points: arcface_crop(pixels, points, scale=0.9),
    "without the outlier keypoint": lambda pixels, points: arcface_crop(pixels, without_outlier(points)),
    "by the eyes alone": lambda pixels, points: arcface_crop(pixels, fitted(points, (0, 1))),
}
