"""Upright square pieces of a photo, and the way back from their pixels to the photo's."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A square piece of a photo.

    `pixels` is uint8 (size, size, 3) RGB; `scale` is crop pixels per photo pixel; `matrix` is float64 (2, 3) and takes
    photo pixels to crop pixels.
    """

    pixels: NDArray[np.uint8]
    scale: float
    matrix: NDArray[np.float64]

    def to_photo(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """`points` (n, 2) or (n, 3) of the crop, in pixels of the photo; depths are scaled and keep their sign."""
        rotation = self.matrix[:, :2]
        flat = (points[:, :2] - self.matrix[:, 2]) @ rotation / self.scale**2
        return np.column_stack([flat, points[:, 2:] / self.scale]).astype(np.float32)


class Region:
    """The square of `side` photo pixels around `centre`, ready to be cut out as `size` pixels, turned to any side.

    `pixels` is (h, w, 3). A large square is averaged down, not sampled, so that fine detail does not turn into false
    detail; once, for averaging costs more than all that is cut out of it.
    """

    def __init__(self, pixels: NDArray[np.uint8], centre: NDArray[np.floating], side: float, size: int) -> None:
        self._centre = np.asarray(centre, np.float64)
        self._size = size
        self._scale = size / max(side, 1.0)
        self._pixels, self._low, self._step = pixels, np.zeros(2), np.ones(2)
        shrink = int(1 / self._scale)
        if shrink >= 2:
            self._pixels, self._low, self._step = _averaged(pixels, self._centre, side, shrink)

    def upright(self, across: NDArray[np.floating]) -> Crop:
        """The square turned so that `across` points right; what lies outside the photo is black."""
        angle = float(np.arctan2(across[1], across[0]))
        cosine, sine = self._scale * np.cos(angle), self._scale * np.sin(angle)
        matrix = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0]])
        matrix[:, 2] = self._size / 2 - matrix[:, :2] @ self._centre
        # The centre of pixel i of what was averaged is at (i + 0.5) * step - 0.5 of the part that it was made of.
        offset = matrix[:, :2] @ (self._low + self._step / 2 - 0.5) + matrix[:, 2]
        to_averaged = np.column_stack([matrix[:, :2] * self._step, offset])
        return Crop(_warp(self._pixels, to_averaged, self._size), self._scale, matrix)


def upright(
    pixels: NDArray[np.uint8], centre: NDArray[np.floating], across: NDArray[np.floating], side: float, size: int
) -> Crop:
    """One crop of a region of its own, turned so that `across` points right."""
    return Region(pixels, centre, side, size).upright(across)


def _averaged(
    pixels: NDArray[np.uint8], centre: NDArray[np.float64], side: float, shrink: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
    """The part of the photo under the square however it is turned, `shrink` times smaller; its corner at the top left
    in the photo, and how many photo pixels one of its pixels stands for.
    """
    reach = side * 0.75  # a little more than half the diagonal of the square
    height, width = pixels.shape[:2]
    low = np.clip(np.floor(centre - reach), 0, [width - 1, height - 1]).astype(int)
    high = np.clip(np.ceil(centre + reach), low + 1, [width, height]).astype(int)
    # Whole multiples are averaged several times faster; what that cuts off is less than a pixel of the crop.
    size = np.maximum((high - low) // shrink, 1)
    high = np.minimum(low + size * shrink, high)
    part = pixels[low[1] : high[1], low[0] : high[0]]
    small = cv2.resize(part, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), low.astype(np.float64), (high - low) / size


def _warp(pixels: NDArray[np.uint8], matrix: NDArray[np.float64], size: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR), np.uint8)
