"""Mouth: whether it is open, and whether it smiles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countenance.vision import pose
from countenance.vision.details import Judgement
from countenance.vision.judgement import logistic
from countenance.vision.mesh import Mesh

_CORNER_LEFT, _CORNER_RIGHT = 61, 291
_INNER_UPPER, _INNER_LOWER = 13, 14  # edges of the lips towards each other
_OUTER_UPPER = 0
_NOSE_BASE = 2

# Distance of the lips' inner edges, in distances between the eyes, at which open and closed are equally likely, and
# how fast that changes. Read off 144 mouths of FairFace looked at in order of this distance: below 0.06 nearly all
# are closed, above 0.10 nearly all show teeth or the dark between the lips.
_PARTED = 0.08
_PARTED_SCALE = 0.012

# Logistic regression on the London set (102 people, neutral and smiling): on people it did not see, area under the
# ROC 0.92, 86 % right; `python -m bench.attributes` fits it anew. In the order of `smile_shape`.
_SMILE = np.array([17.32, 11.00, 12.03, -32.28])
_SMILE_OFFSET = -4.47


def is_open(mesh: Mesh) -> Judgement:
    """Whether the lips are parted. Confidence: logistic in their distance, 50 at the point of doubt."""
    points = pose.straightened(mesh.points)
    gap = float(points[_INNER_LOWER, 1] - points[_INNER_UPPER, 1])
    return logistic((gap - _PARTED) / _PARTED_SCALE)


def smiles(mesh: Mesh) -> Judgement:
    """Whether the face smiles. Confidence: probability of the regression, in a set that smiles half the time."""
    return logistic(float(smile_shape(pose.straightened(mesh.points)) @ _SMILE) + _SMILE_OFFSET)


def smile_shape(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a smile changes, in distances between the eyes.

    The mouth's width; how far its corners are above its middle; how far the corners go back into the cheeks (sum of
    both); from the base of the nose to the upper lip.
    """
    left, right = points[_CORNER_LEFT], points[_CORNER_RIGHT]
    middle = (points[_INNER_UPPER, 1] + points[_INNER_LOWER, 1]) / 2
    return np.array(
        [
            right[0] - left[0],
            middle - (left[1] + right[1]) / 2,
            left[2] + right[2],
            points[_OUTER_UPPER, 1] - points[_NOSE_BASE, 1],
        ]
    )
