"""Films of still photos, as the store has them: no film of anybody is kept here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from tests.videos import Picture, compose, read_image

SIDE = 320
FRAMES_A_SECOND = 10


def still(photo: Path) -> Picture:
    """A photo as a square frame."""
    return np.asarray(cv2.resize(read_image(photo), (SIDE, SIDE), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def film(shots: Sequence[tuple[Picture, float]]) -> bytes:
    """An MP4 that shows each picture for so many seconds, moved a little from frame to frame."""
    with tempfile.TemporaryDirectory() as folder:
        options = {"preset": "ultrafast", "g": str(FRAMES_A_SECOND)}
        return compose(Path(folder) / "film.mp4", _frames(shots), rate=FRAMES_A_SECOND, options=options).read_bytes()


def _frames(shots: Sequence[tuple[Picture, float]]) -> Iterator[Picture]:
    number = 0
    for picture, seconds in shots:
        height, width = picture.shape[:2]
        for _ in range(round(seconds * FRAMES_A_SECOND)):
            shift = np.array([[1, 0, 4 * np.sin(number / 5)], [0, 1, 3 * np.cos(number / 5)]], np.float32)
            moved = cv2.warpAffine(picture, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
            yield np.asarray(moved, dtype=np.uint8)
            number += 1
