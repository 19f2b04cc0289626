"""Detection: where the faces in a photo are, with five keypoints each.

The detector is YuNet (Wu, Peng, Yu 2023); its outputs are decoded as OpenCV's FaceDetectorYN does.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.faces import BoundingBox
from countenance.vision.images import Photo
from countenance.vision.models.sessions import Session

# Rekognition's limit: the largest faces of a photo.
MAX_FACES = 100

# Least confidence of a face, 0 to 1.
CONFIDENCE_THRESHOLD = 0.6
# Two boxes that overlap by more are one face; OpenCV's default for this model.
NMS_IOU = 0.3

_STRIDES = (8, 16, 32)
_CELL = 32  # pixels; the sides of what the graph takes are multiples of its coarsest stride


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One face: its box in ratios of the photo, the confidence (0 to 100) that it is one, and five keypoints.

    `keypoints` is float32 (5, 2), x and y in pixels of the upright photo: the eye on the left of the image, the one on
    the right, nose, the mouth's corner on the left, the one on the right.
    """

    bounding_box: BoundingBox
    confidence: float
    keypoints: NDArray[np.float32]


class FaceDetector:
    """Finds faces with a YuNet session. Thread-safe."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def detect(self, photo: Photo) -> list[Detection]:
        """The largest faces of a photo, at most 100, largest first."""
        rows = self.candidates(photo.pixels, CONFIDENCE_THRESHOLD)
        order = np.argsort(-rows[:, 2] * rows[:, 3], kind="stable")[:MAX_FACES]
        return [_detection(row, photo) for row in rows[order]]

    def candidates(self, pixels: NDArray[np.uint8], threshold: float) -> NDArray[np.float32]:
        """What one pass over `pixels` at its own size finds.

        float32 (n, 15), rows as of OpenCV's FaceDetectorYN: x, y, width, height of the box and x, y of five keypoints
        (eyes, nose, corners of the mouth) in pixels, then confidence, 0 to 1; most confident first.
        """
        height, width = pixels.shape[:2]
        padding = (0, -height % _CELL, 0, -width % _CELL)
        canvas = cv2.copyMakeBorder(pixels, *padding, cv2.BORDER_CONSTANT) if any(padding) else pixels
        outputs = self._session.infer(canvas[None].astype(np.uint8, copy=False))
        across = canvas.shape[1]
        return _suppress(np.concatenate([_rows(outputs, stride, across // stride, threshold) for stride in _STRIDES]))


def _rows(outputs: dict[str, NDArray[np.float32]], stride: int, columns: int, threshold: float) -> NDArray[np.float32]:
    """Decode the grid of one stride, as OpenCV's FaceDetectorYN does."""
    classes = np.clip(outputs[f"cls_{stride}"][0, :, 0], 0, 1)
    objects = np.clip(outputs[f"obj_{stride}"][0, :, 0], 0, 1)
    scores = np.sqrt(classes * objects)
    (cells,) = np.nonzero(scores >= threshold)
    corner = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
    box = outputs[f"bbox_{stride}"][0, cells]
    size = np.exp(box[:, 2:]) * stride
    position = (corner + box[:, :2]) * stride - size / 2
    points = (outputs[f"kps_{stride}"][0, cells].reshape(-1, 5, 2) + corner[:, None]) * stride
    rows = [position, size, points.reshape(-1, 10), scores[cells, None]]
    return np.concatenate(rows, axis=1, dtype=np.float32)


def _suppress(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keep the most confident of the rows that overlap."""
    if not len(rows):
        return rows
    kept = cv2.dnn.NMSBoxes(rows[:, :4].tolist(), rows[:, 14].tolist(), 0.0, NMS_IOU)
    return rows[np.asarray(kept, dtype=np.intp)]


def _detection(row: NDArray[np.float32], photo: Photo) -> Detection:
    x, y, width, height = (float(value) for value in row[:4])
    box = BoundingBox(x / photo.width, y / photo.height, width / photo.width, height / photo.height)
    return Detection(box, float(row[14]) * 100, row[4:14].reshape(5, 2).copy())
