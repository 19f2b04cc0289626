from __future__ import annotations

import numpy as np
import pytest

from countenance.vision import gaze
from countenance.vision.details import Pose
from countenance.vision.eyes import Eye, Eyes, are_open

AHEAD = Pose(0, 0, 0)
WIDTH = 30.0


def eye(right: float = 0.0, up: float = 0.0, opening: float = 0.3, *, on_the_left: bool) -> Eye:
    """An eye whose pupil is `right` and `up` of where it looks into the camera, in widths of the eye."""
    along = np.linspace(0, 1, 9)
    lower = np.stack([along * WIDTH, np.full(9, opening * WIDTH / 2)], axis=1)
    upper = lower[1:8] * [1, -1]
    lower[[0, 8], 1] = 0
    outward = -1 if on_the_left else 1
    pupil = np.array([0.5 + right + outward * 0.05, -up - 0.072]) * WIDTH
    outline = np.concatenate([lower, upper])
    if not on_the_left:  # from the outer corner to the inner one, on both sides
        outline = np.concatenate([lower[::-1], upper[::-1]])
    return Eye(outline.astype(np.float32), np.tile(pupil, (5, 1)).astype(np.float32))


def eyes(right: float = 0.0, up: float = 0.0, opening: float = 0.3) -> Eyes:
    return Eyes(
        eye(right, up, opening, on_the_left=True),
        eye(right, up, opening, on_the_left=False),
    )


def test_eyes_that_look_into_the_camera_look_nowhere_else() -> None:
    found = gaze.direction(eyes(), AHEAD)
    assert (found.yaw, found.pitch) == pytest.approx((0, 0), abs=0.01)
    assert found.confidence == pytest.approx(100, abs=0.1)


def test_signs_are_those_of_pose() -> None:
    assert gaze.direction(eyes(right=0.1), AHEAD).yaw > 10
    assert gaze.direction(eyes(right=-0.1), AHEAD).yaw < -10
    assert gaze.direction(eyes(up=0.1), AHEAD).pitch > 10
    assert gaze.direction(eyes(up=-0.1), AHEAD).pitch < -10


def test_a_turned_head_whose_pupils_stay_central_looks_along_with_the_head() -> None:
    assert gaze.direction(eyes(right=0.1), Pose(0, 30, 0)).yaw > 25
    assert abs(gaze.direction(eyes(right=-0.08), Pose(0, 25, 0)).yaw) < 10


def test_confidence_falls_when_the_eyes_disagree_and_when_they_close() -> None:
    crossed = Eyes(eye(right=0.1, on_the_left=True), eye(right=-0.1, on_the_left=False))
    assert gaze.direction(crossed, AHEAD).confidence < 50
    assert gaze.direction(eyes(opening=0.02), AHEAD).confidence == 0


@pytest.mark.parametrize("right", [-5.0, 5.0])
def test_a_pupil_found_outside_the_eye_still_gives_an_angle(right: float) -> None:
    found = gaze.direction(eyes(right=right), Pose(0, 60, 0))
    assert -180 <= found.yaw <= 180


def test_eyes_are_open_or_closed_with_more_confidence_the_clearer_it_is() -> None:
    openings = np.linspace(0.02, 0.3, 12)
    judged = [are_open(eyes(opening=float(opening))) for opening in openings]
    odds = [judgement.confidence if judgement.value else 100 - judgement.confidence for judgement in judged]
    assert odds == sorted(odds)
    assert not judged[0].value
    assert judged[-1].value
    assert all(50 <= judgement.confidence <= 100 for judgement in judged)
