"""YuNet: one pass of the face detector over one picture, at the size it has.

Wu, Peng, Yu 2023, "YuNet: A Tiny Millisecond-level Face Detector"; outputs are decoded as OpenCV's FaceDetectorYN does.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.vision.models.sessions import Session

# Rows of candidates: x, y, width, height of the box, x and y of the five keypoints (eyes, nose, corners of the mouth,
# left of the image first), all in pixels, and the confidence, 0 to 1. The layout is that of OpenCV's FaceDetectorYN.
BOX, KEYPOINTS, CONFIDENCE = slice(0, 4), slice(4, 14), 14
ROW = 15

# Two boxes that overlap by more are one face; OpenCV's default for this model.
NMS_IOU = 0.3

_STRIDES = (8, 16, 32)
_CELL = 32  # pixels; the sides of what the graph takes are multiples of its coarsest stride

Rows = NDArray[np.float32]


class YuNet:
    """Finds candidates with a `detector` session. Thread-safe."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def candidates(self, pixels: NDArray[np.uint8], threshold: float) -> Rows:
        """The faces in `pixels`, uint8 RGB (h, w, 3), of at least `threshold` confidence, most confident first.

        float32 (n, 15), laid out as above. Faces between about 15 and 430 pixels wide are found.
        """
        height, width = pixels.shape[:2]
        padding = (0, -height % _CELL, 0, -width % _CELL)
        canvas = cv2.copyMakeBorder(pixels, *padding, cv2.BORDER_CONSTANT) if any(padding) else pixels
        outputs = self._session.infer(canvas[None].astype(np.uint8, copy=False))
        columns = canvas.shape[1]
        return suppress(np.concatenate([_decode(outputs, stride, columns // stride, threshold) for stride in _STRIDES]))


def _decode(outputs: dict[str, NDArray[np.float32]], stride: int, columns: int, threshold: float) -> Rows:
    """Rows of one stride's grid. Boxes and keypoints are stated relative to their cell, sizes as logarithms."""
    classes = np.clip(outputs[f"cls_{stride}"][0, :, 0], 0, 1)
    objects = np.clip(outputs[f"obj_{stride}"][0, :, 0], 0, 1)
    confidences = np.sqrt(classes * objects)
    (cells,) = np.nonzero(confidences >= threshold)
    corners = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
    boxes = outputs[f"bbox_{stride}"][0, cells]
    sizes = np.exp(boxes[:, 2:]) * stride
    positions = (corners + boxes[:, :2]) * stride - sizes / 2
    points = (outputs[f"kps_{stride}"][0, cells].reshape(-1, 5, 2) + corners[:, None]) * stride
    parts = [positions, sizes, points.reshape(-1, 10), confidences[cells, None]]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def suppress(rows: Rows) -> Rows:
    """Of rows that overlap the most confident, most confident first."""
    if not len(rows):
        return rows
    kept = cv2.dnn.NMSBoxes(rows[:, BOX].tolist(), rows[:, CONFIDENCE].tolist(), 0.0, NMS_IOU)
    return rows[np.asarray(kept, dtype=np.intp)]
