"""Quality: how bright and sharp a face is, and whether it is good enough to be enrolled or searched with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.vision.details import FaceDetail, Quality
from countenance.vision.embedding import Embedding
from countenance.vision.mesh import Mesh


class QualityFilter(StrEnum):
    """How demanding a request is."""

    NONE = "NONE"
    AUTO = "AUTO"
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class Reason(StrEnum):
    """Why a face was left out."""

    EXCEEDS_MAX_FACES = "EXCEEDS_MAX_FACES"
    EXTREME_POSE = "EXTREME_POSE"
    LOW_BRIGHTNESS = "LOW_BRIGHTNESS"
    LOW_SHARPNESS = "LOW_SHARPNESS"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    SMALL_BOUNDING_BOX = "SMALL_BOUNDING_BOX"
    LOW_FACE_QUALITY = "LOW_FACE_QUALITY"


@dataclass(frozen=True, slots=True)
class _Bar:
    """What a face must reach to pass a filter."""

    side: float  # pixels, shorter side of the box
    confidence: float
    yaw: float  # degrees, either way; roll is undone before anything is compared
    pitch: float
    brightness: float
    sharpness: float


# Set where harm begins, on 200 portraits and photos of everyday life, each made worse step by step, by what was left
# of the likeness (cosine) to the untouched photo; a match at one in ten thousand needs 0.42.
#   side         30 px leave a cosine of 0.84, 20 px 0.63, 14 px 0.44
#   brightness   12 (a quarter of the light) leaves 0.88, 6 leaves 0.79, 3 leaves 0.58
#   sharpness    47 leaves 0.76, 30 leaves 0.63, 15 leaves 0.37
# Brightness is that of the skin as much as that of the light, so it is asked for only where likeness goes with it, and
# no filter asks for more: at 15, HIGH refused 19 in 1,000 faces of Black people for it alone and 6 of everyone else's,
# all of which LOW_FACE_QUALITY finds good enough (docs/pipeline-choices.md).
_BARS: dict[QualityFilter, _Bar] = {
    QualityFilter.LOW: _Bar(side=16, confidence=60, yaw=50, pitch=45, brightness=4, sharpness=15),
    QualityFilter.AUTO: _Bar(side=24, confidence=70, yaw=42, pitch=40, brightness=7, sharpness=30),
    QualityFilter.MEDIUM: _Bar(side=40, confidence=80, yaw=32, pitch=30, brightness=7, sharpness=50),
    QualityFilter.HIGH: _Bar(side=50, confidence=88, yaw=22, pitch=25, brightness=7, sharpness=65),
}

# Least length of the raw embedding, by face model version: the best measure of what is left of a face that is known
# (rank correlation with that likeness 0.6 over the same photos). Portraits have 10 and more; of FairFace's photos
# 2 in 100 are below 6.5, 5 below 7.5, with no great difference between its groups.
_NORMS: dict[str, dict[QualityFilter, float]] = {
    "1.0": {
        QualityFilter.LOW: 6.0,
        QualityFilter.AUTO: 7.0,
        QualityFilter.MEDIUM: 8.5,
        QualityFilter.HIGH: 9.8,
    },
}


def reasons(detail: FaceDetail, quality_filter: QualityFilter, embedding: Embedding | None = None) -> list[Reason]:
    """Why a face does not pass `quality_filter`; an empty list when it does.

    LOW_FACE_QUALITY is said only when the face's `embedding` is given, of a face model version whose lengths are known.
    """
    if quality_filter is QualityFilter.NONE:
        return []
    bar = _BARS[quality_filter]
    failed = {
        Reason.EXTREME_POSE: abs(detail.pose.yaw) > bar.yaw or abs(detail.pose.pitch) > bar.pitch,
        Reason.LOW_BRIGHTNESS: detail.quality.brightness < bar.brightness,
        Reason.LOW_SHARPNESS: detail.quality.sharpness < bar.sharpness,
        Reason.LOW_CONFIDENCE: detail.confidence < bar.confidence,
        Reason.SMALL_BOUNDING_BOX: detail.side < bar.side,
        Reason.LOW_FACE_QUALITY: embedding is not None and embedding.norm < _least_norm(embedding, quality_filter),
    }
    return [reason for reason, holds in failed.items() if holds]


def _least_norm(embedding: Embedding, quality_filter: QualityFilter) -> float:
    return _NORMS.get(embedding.template.face_model_version, {}).get(quality_filter, 0.0)


# The outline of the face in the mesh, clockwise from the middle of the forehead.
OVAL = [
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
]

# The mask is drawn in by this much, so that the face's edge against what is behind it does not count as detail.
_RIM = 5  # pixels of the crop

# Blur that takes away sensor noise before detail is measured, and the box whose blur is compared with.
_NOISE_SIGMA = 0.7
_BOX = 9
# Share of detail that the box takes away at which Sharpness is 63: that of a face blurred by 3 in 112 pixels.
_DETAIL = 0.30


def measure(mesh: Mesh) -> Quality:
    """Brightness and sharpness of the face that `mesh` fits, in its crop, at the same scale for every face.

    Brightness is the mean lightness L* of CIE 1976, 0 to 100. Sharpness tells how much of the differences between
    neighbouring pixels is lost when the face is blurred once more (Crete, Dolmiere, Ladret, Nicolas 2007, "The blur
    effect"): much when it was sharp, little when it was not; contrast and brightness cancel out. Both are 0 for a
    face that lies outside the photo.
    """
    grey = cv2.cvtColor(mesh.crop.pixels, cv2.COLOR_RGB2GRAY)
    mask = _mask(mesh)
    inside = mask > 0
    if not inside.any():
        return Quality(0.0, 0.0)
    brightness = float(_LIGHTNESS[grey[inside]].mean())
    return Quality(brightness, _sharpness(grey.astype(np.float32), cv2.erode(mask, np.ones((_RIM, _RIM))) > 0))


def _mask(mesh: Mesh) -> NDArray[np.uint8]:
    """1 within the face's outline and the photo, 0 elsewhere; uint8 (size, size)."""
    matrix = mesh.crop.matrix
    size = len(mesh.crop.pixels)
    outline = mesh.flat[OVAL] @ matrix[:, :2].T + matrix[:, 2]
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.clip(np.round(outline), -size, 2 * size).astype(np.int32)], 1)
    return mask


def _sharpness(grey: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    smooth = cv2.GaussianBlur(grey, (0, 0), _NOISE_SIGMA)
    blurred = cv2.blur(smooth, (_BOX, _BOX))
    total = lost = 0.0
    for axis, where in ((0, inside[1:]), (1, inside[:, 1:])):
        before = np.abs(np.diff(smooth, axis=axis))[where]
        after = np.abs(np.diff(blurred, axis=axis))[where]
        total += float(before.sum())
        lost += float(np.maximum(before - after, 0).sum())
    if total == 0.0:  # all of one grey
        return 0.0
    return float(100 * (1 - np.exp(-((lost / total / _DETAIL) ** 2))))


def _lightness_of_greys() -> NDArray[np.float64]:
    """L* of each of the 256 greys of sRGB (IEC 61966-2-1, CIE 15)."""
    value = np.arange(256) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.where(linear > (6 / 29) ** 3, 116 * np.cbrt(linear) - 16, linear * (29 / 3) ** 3))


_LIGHTNESS = _lightness_of_greys()
