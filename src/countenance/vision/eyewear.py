"""Eyewear: whether a face wears glasses, and whether they are dark.

Both are linear in what the region of the eyes looks like: histograms of oriented gradients (Dalal, Triggs 2005) for the
frames, and the light of the lenses against that of the skin. The coefficients are our own, in `models/heads`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Base64Bytes, BaseModel, ConfigDict

from countenance.vision import crops
from countenance.vision.details import Judgement, Pose
from countenance.vision.images import Photo
from countenance.vision.judgement import logistic
from countenance.vision.mesh import Mesh, eye_centres

# The region of the eyes: so many distances between them wide, half as high, the eyes a little above its middle.
_SPAN = 1 / 0.36
_WIDTH, _TOP, _BOTTOM = 120, 35, 95  # pixels; rows of a square crop around the middle of the eyes

_CELL = 8  # pixels
_BINS = 9  # directions over half a turn
_CLIP = 0.2
_LIGHT_SIZE = (24, 12)
_LIGHT_WEIGHT = 0.3  # against the gradients, by which the regularisation of the fit is shared

# Outside of this the coefficients were not measured, and nothing is said.
MAX_YAW = 30.0  # degrees
MIN_SIDE = 50.0  # pixels, shorter side of the face's box


@dataclass(frozen=True, slots=True)
class Eyewear:
    """What a face wears before its eyes: glasses of any kind, and dark ones."""

    glasses: Judgement
    sunglasses: Judgement


class Head(BaseModel):
    """Coefficients of the two judgements, as `python -m bench.eyewear` fits and measures them.

    `glasses` and `sunglasses` are float16, one for each feature and last the offset; they give log odds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    measured: dict[str, float]
    glasses: Base64Bytes
    sunglasses: Base64Bytes


def look(photo: Photo, mesh: Mesh, pose: Pose, side: float) -> Eyewear | None:
    """What the face that `mesh` fits wears; None for faces turned too far or of too small a `side`.

    Confidence is the calibrated probability among photos like those of FairFace and the US Congress, where one face in
    six wears glasses and one in thirty dark ones.
    """
    if abs(pose.yaw) > MAX_YAW or side < MIN_SIDE:
        return None
    found = features(photo, mesh)
    glasses, sunglasses = (float(found @ weights[:-1] + weights[-1]) for weights in _coefficients())
    return Eyewear(logistic(glasses), logistic(sunglasses))


def features(photo: Photo, mesh: Mesh) -> NDArray[np.float32]:
    """What the region of the eyes looks like, float32 (features,)."""
    left, right = eye_centres(mesh.points)
    across = right - left
    side = _SPAN * float(np.hypot(*across))
    region = crops.upright(photo.pixels, (left + right) / 2, across, side, _WIDTH).pixels[_TOP:_BOTTOM]
    return np.concatenate([_gradients(region), _light(region)])


def _gradients(region: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Histograms of oriented gradients, normalised over blocks of two by two cells."""
    grey = np.sqrt(cv2.cvtColor(region, cv2.COLOR_RGB2GRAY).astype(np.float32))
    dx, dy = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=1), cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=1)
    rows, columns = grey.shape[0] // _CELL, grey.shape[1] // _CELL
    whole = np.s_[: rows * _CELL, : columns * _CELL]
    strength = np.hypot(dx, dy)[whole]
    direction = (np.arctan2(dy, dx) % np.pi / np.pi * _BINS)[whole]
    lower = np.floor(direction)
    rest = direction - lower
    cell = np.arange(rows * _CELL)[:, None] // _CELL * columns + np.arange(columns * _CELL) // _CELL
    # Every pixel votes for the two directions next to its own, the nearer one more.
    votes = np.concatenate([strength * (1 - rest), strength * rest], axis=None)
    bins = np.concatenate([cell * _BINS + (lower + further) % _BINS for further in (0, 1)], axis=None).astype(np.intp)
    cells = np.bincount(bins, votes, rows * columns * _BINS).reshape(rows, columns, _BINS)
    blocks = np.concatenate([cells[:-1, :-1], cells[1:, :-1], cells[:-1, 1:], cells[1:, 1:]], axis=2)
    blocks /= np.sqrt((blocks**2).sum(axis=2, keepdims=True) + 1.0)
    blocks = np.minimum(blocks, _CLIP)
    blocks /= np.sqrt((blocks**2).sum(axis=2, keepdims=True) + 0.01)
    return np.asarray(blocks.ravel(), np.float32)


def _light(region: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Lightness over the region, against its middle value and spread."""
    lightness = cv2.cvtColor(region, cv2.COLOR_RGB2LAB)[:, :, 0].astype(np.float32)
    small = cv2.resize(lightness, _LIGHT_SIZE, interpolation=cv2.INTER_AREA)
    return np.asarray(_LIGHT_WEIGHT * (small - np.median(small)) / (small.std() + 8), np.float32).ravel()


@cache
def _coefficients() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    file = resources.files("countenance.vision.models") / "heads" / "eyewear.json"
    head = Head.model_validate_json(file.read_bytes())
    return (
        np.frombuffer(head.glasses, np.float16).astype(np.float32),
        np.frombuffer(head.sunglasses, np.float16).astype(np.float32),
    )
