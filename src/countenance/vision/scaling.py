"""Photos at another size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def scaled(pixels: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """`pixels`, uint8 (h, w, 3), at `scale` times its size, where x of the photo is exactly `scale * x` of the result.

    A pixel of the result may be missing at the right and at the bottom. Photos are made smaller by averaging, so that
    fine detail does not turn into false detail: by halves as far as they go, for which OpenCV has fast code, and by
    interpolation for the rest. Averages over areas of any other size take five times as long.
    """
    while scale <= 0.5 and min(pixels.shape[:2]) > 1:
        height, width = pixels.shape[:2]
        even = pixels[: height // 2 * 2, : width // 2 * 2]
        pixels = cv2.resize(even, (width // 2, height // 2), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        scale *= 2
    if scale == 1.0:
        return pixels
    height, width = pixels.shape[:2]
    across, down = max(scale, 1 / width), max(scale, 1 / height)  # of a strip at least one pixel is left
    return cv2.resize(pixels, None, fx=across, fy=down, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
