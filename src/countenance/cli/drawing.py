"""An annotated photo: boxes, landmarks and labels drawn on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from countenance.faces import BoundingBox
from countenance.vision.details import FaceDetail, Landmark

BOX_COLOUR = (0, 200, 83)
MARK_COLOUR = (255, 214, 0)
INK = (0, 0, 0)

# Shares of the photo's longer side; and the least of each that can still be seen, in pixels.
LINE, LEAST_LINE = 1 / 500, 2
LETTERS, LEAST_LETTERS = 1 / 50, 12


@dataclass(frozen=True, slots=True)
class Mark:
    """One face to draw: its box and landmarks in ratios of the photo, and what is written at it."""

    box: BoundingBox
    landmarks: Sequence[Landmark]
    label: str

    @classmethod
    def of(cls, detail: FaceDetail, label: str) -> Mark:
        """The mark of a described face."""
        return cls(detail.bounding_box, detail.landmarks, label)


def draw(pixels: NDArray[np.uint8], marks: Sequence[Mark], path: Path) -> None:
    """Write the photo, uint8 RGB of shape (h, w, 3), with the marks on it, in the format of the path's suffix."""
    marked(pixels, marks).save(path)


def marked(pixels: NDArray[np.uint8], marks: Sequence[Mark]) -> Image.Image:
    """The photo, uint8 RGB of shape (h, w, 3), with the marks on it."""
    photo = Image.fromarray(pixels)
    width, height = photo.size
    line = max(LEAST_LINE, round(max(photo.size) * LINE))
    font = ImageFont.load_default(size=max(LEAST_LETTERS, round(max(photo.size) * LETTERS)))
    canvas = ImageDraw.Draw(photo)
    for mark in marks:
        left, top = mark.box.left * width, mark.box.top * height
        right, bottom = left + mark.box.width * width, top + mark.box.height * height
        canvas.rectangle((left, top, right, bottom), outline=BOX_COLOUR, width=line)
        for landmark in mark.landmarks:
            canvas.circle((landmark.x * width, landmark.y * height), line, fill=MARK_COLOUR)
        label = canvas.textbbox((max(left, 0), max(top, 0)), mark.label, font=font)
        canvas.rectangle(label, fill=BOX_COLOUR)
        canvas.text((max(left, 0), max(top, 0)), mark.label, font=font, fill=INK)
    return photo
