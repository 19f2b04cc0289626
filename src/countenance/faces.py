"""What a face is to every part of Countenance: where it is in a photo, and the template that tells it from others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """A rectangle in ratios of the photo's width and height, as Rekognition gives it.

    `left` and `top` may be negative and `left + width`, `top + height` may exceed 1: a face cut by the border keeps
    its full box.
    """

    left: float
    top: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Share of the photo, 0 to about 1."""
        return self.width * self.height

    def iou(self, other: BoundingBox) -> float:
        """Intersection over union with `other`, 0 to 1."""
        across = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        down = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        if across <= 0 or down <= 0:
            return 0.0
        intersection = across * down
        return intersection / (self.area + other.area - intersection)


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """What is compared: a unit-norm embedding and the face model version that made it.

    Templates of different versions are never compared. `vector` is float32 of shape (d,).
    """

    vector: NDArray[np.float32]
    face_model_version: str
