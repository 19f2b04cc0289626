"""What is left of a face when light goes, by group: whether one brightness means the same for all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countenance.vision.analysis import Vision
from countenance.vision.details import Attribute
from countenance.vision.detection import Detection
from countenance.vision.images import Photo

# Shares of the light that are left, linear; and bands of Brightness, from each to the next.
LIGHTS = (0.5, 0.35, 0.25, 0.17, 0.12, 0.08, 0.06, 0.04, 0.03)
BANDS = (2.0, 4.0, 7.0, 10.0, 15.0, 20.0, 30.0)


def darkened(photo: Photo, light: float) -> Photo:
    """The photo with a share of its light (IEC 61966-2-1), in steps of 8 bits as a camera would store it."""
    value = np.arange(256) / 255
    linear = light * np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return Photo(np.round(255 * encoded).astype(np.uint8)[photo.pixels], photo.digest)


def fading(vision: Vision, photo: Photo, face: Detection) -> NDArray[np.float64]:
    """Brightness of a face at each of LIGHTS, and the cosine of its template to the untouched one: (lights, 2)."""
    version = vision.face_model_version
    (untouched,) = vision.templates(photo, [face], version)
    rows = []
    for light in LIGHTS:
        dark = darkened(photo, light)
        (template,) = vision.templates(dark, [face], version)
        (detail,) = vision.describe(dark, [face], frozenset({Attribute.DEFAULT}))
        rows.append((detail.quality.brightness, float(untouched.vector @ template.vector)))
    return np.array(rows)


def likeness(fadings: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """The mean cosine of each face that has one in a band of brightness; fadings (faces, lights, 2)."""
    inside = (fadings[:, :, 0] >= low) & (fadings[:, :, 0] < high)
    seen = inside.any(axis=1)
    result: NDArray[np.float64] = np.where(inside, fadings[:, :, 1], 0)[seen].sum(axis=1) / inside[seen].sum(axis=1)
    return result
