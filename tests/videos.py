"""Videos that tests compose of photos: no film of anybody is kept here."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 320
FRAMES_A_SECOND = 10


def still(photo: Path, side: int = SIDE) -> NDArray[np.uint8]:
    """A photo as a square frame, uint8 RGB."""
    return np.asarray(Image.open(photo).convert("RGB").resize((side, side), Image.Resampling.LANCZOS))


def film(shots: Sequence[tuple[NDArray[np.uint8], float]]) -> bytes:
    """An MP4 in H.264 that shows each picture for so many seconds, moved a little from frame to frame."""
    file = io.BytesIO()
    height, width = shots[0][0].shape[:2]
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAMES_A_SECOND, options={"preset": "ultrafast", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        number = 0
        for picture, seconds in shots:
            for _ in range(round(seconds * FRAMES_A_SECOND)):
                shift = np.array([[1, 0, 4 * np.sin(number / 5)], [0, 1, 3 * np.cos(number / 5)]], np.float32)
                moved = cv2.warpAffine(picture, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
                for packet in stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")):
                    container.mux(packet)
                number += 1
        for packet in stream.encode():
            container.mux(packet)
    return file.getvalue()
