"""Gaze: where the eyes look.

The API calls it EyeDirection, "independent of the head pose": 0, 0 is into the camera, however the head is turned, and
the signs are those of Pose. The iris is taken to turn with a ball behind it; its place between the corners of the eye
says how far.
"""

from __future__ import annotations

import numpy as np

from countenance.vision.details import EyeDirection, Pose
from countenance.vision.eyes import Eye, Eyes

# In widths of the eye (about 30 mm): from the centre of the ball to the iris (about 12 mm), and how far the iris
# stands before the line between the corners. The second is what makes 539 members of Congress, who look into the
# camera with their heads turned one way or the other, look into the camera here too.
_RADIUS = 0.40
_FORWARD = 0.21

# Where the iris is when an eye looks into the camera out of a straight head, in widths of the eye from the middle of
# its corners: towards its outer corner, and up. Means of the same portraits and of the London set.
_OUTWARD = 0.05
_UP = 0.072

# Degrees between the two eyes' answers at which confidence is halved.
_DISAGREEMENT = 15.0
# Lids nearer than this, in widths of the eye, hide the iris: the answer would be a guess.
_HIDDEN, _PLAIN = 0.06, 0.18


def direction(eyes: Eyes, pose: Pose) -> EyeDirection:
    """Where both eyes look, on average.

    Confidence says how well they agree and how much of them is seen: 100 when both give the same answer and are open,
    50 when they differ by 15 degrees, 0 when the lids hide them. On portraits of people who look into the camera more
    than nine in ten answers are within 8 degrees of it.
    """
    left = _of_one(eyes.left, pose, outward=-1)
    right = _of_one(eyes.right, pose, outward=1)
    yaw, pitch = (left + right) / 2
    apart = float(np.hypot(*(left - right)))
    opening = min(eyes.left.opening, eyes.right.opening)
    seen = min(max((opening - _HIDDEN) / (_PLAIN - _HIDDEN), 0.0), 1.0)
    return EyeDirection(float(yaw), float(pitch), 100 * seen / (1 + (apart / _DISAGREEMENT) ** 2))


def _of_one(eye: Eye, pose: Pose, outward: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Yaw and pitch of one eye, in degrees; `outward` is 1 where the photo's right is away from the nose."""
    first, last = (eye.inner, eye.outer) if outward == 1 else (eye.outer, eye.inner)
    across = (last - first) / max(eye.width, 1e-6)
    up = np.array([across[1], -across[0]])
    shift = (eye.pupil - (first + last) / 2) / max(eye.width, 1e-6)
    found = np.array([shift @ across - outward * _OUTWARD, shift @ up - _UP])
    head = np.radians([pose.yaw, pose.pitch])
    in_head = np.arcsin(np.clip((found - _FORWARD * np.sin(head)) / (_RADIUS * np.cos(head)), -1, 1))
    return np.asarray(np.degrees(head + in_head))
