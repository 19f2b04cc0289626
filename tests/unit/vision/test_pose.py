from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from countenance.vision import pose
from countenance.vision.crops import upright
from countenance.vision.mesh import POINTS, Mesh

ROLL = st.floats(-170, 170)
YAW = st.floats(-80, 80)
PITCH = st.floats(-80, 80)


def straight_head() -> NDArray[np.float64]:
    """Mesh points of a head that looks straight ahead."""
    points = np.zeros((468, 3))
    for index, place in pose.STRAIGHT.items():
        points[index] = place
    return points


def turn(roll: float, yaw: float, pitch: float) -> NDArray[np.float64]:
    """The rotation that makes a head look `yaw` to the photo's right, `pitch` up, and lean `roll` clockwise.

    Written for axes x right, y down, z away, from what the words mean, not from the formulas under test.
    """
    r, y, p = np.radians([roll, yaw, pitch])
    up = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    right = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    clockwise = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return np.asarray(clockwise @ right @ up)


def test_the_words_mean_what_they_say() -> None:
    ahead = np.array([0, 0, -1])
    assert (turn(0, 30, 0) @ ahead)[0] > 0  # to the right of the photo
    assert (turn(0, 0, 30) @ ahead)[1] < 0  # up
    assert (turn(30, 0, 0) @ [1, 0, 0])[1] > 0  # the eye on the right comes lower


@given(roll=ROLL, yaw=YAW, pitch=PITCH, size=st.floats(5, 2000), x=st.floats(-500, 3000))
def test_a_turned_head_of_any_size_anywhere_is_measured(
    roll: float, yaw: float, pitch: float, size: float, x: float
) -> None:
    points = straight_head() @ turn(roll, yaw, pitch).T * size + [x, 40, 0]
    assert pose.angles(pose.rotation(points)) == pytest.approx((roll, yaw, pitch), abs=1e-4)


@given(roll=ROLL, yaw=YAW, pitch=PITCH)
def test_a_mirrored_photo_mirrors_roll_and_yaw_and_keeps_pitch(roll: float, yaw: float, pitch: float) -> None:
    points = straight_head() @ turn(roll, yaw, pitch).T
    # A mirror also exchanges the names of left and right points.
    mirrored = points.copy()
    for index, (px, py, pz) in pose.STRAIGHT.items():
        other = next(i for i, q in pose.STRAIGHT.items() if q == (-px, py, pz))
        mirrored[index] = points[other] * [-1, 1, 1]
    assert pose.angles(pose.rotation(mirrored)) == pytest.approx((-roll, -yaw, pitch), abs=1e-4)


@given(roll=ROLL, yaw=YAW, pitch=PITCH, by=st.floats(-180, 180))
def test_turning_the_photo_changes_roll_alone(roll: float, yaw: float, pitch: float, by: float) -> None:
    points = straight_head() @ turn(roll, yaw, pitch).T @ turn(by, 0, 0).T
    found = pose.angles(pose.rotation(points))
    assert (found[0] - roll - by + 540) % 360 - 180 == pytest.approx(0, abs=1e-4)
    assert found[1:] == pytest.approx((yaw, pitch), abs=1e-4)


@given(roll=ROLL, yaw=YAW, pitch=PITCH)
def test_straightening_undoes_the_turn(roll: float, yaw: float, pitch: float) -> None:
    points = straight_head()
    expected = pose.straightened(points)
    assert pose.straightened(points @ turn(roll, yaw, pitch).T * 90 + 7) == pytest.approx(expected, abs=1e-6)


@given(roll=ROLL, yaw=st.floats(-89, 89), size=st.floats(5, 2000))
def test_without_a_mesh_five_keypoints_tell_roll_and_yaw(roll: float, yaw: float, size: float) -> None:
    keypoints = (pose.FIVE @ turn(roll, yaw, 0).T * size + 300)[:, :2].astype(np.float32)
    nothing = Mesh(np.zeros((POINTS, 3), np.float32), 0.0, upright(np.zeros((9, 9, 3), np.uint8), *_ANYWHERE))
    found = pose.measure(nothing, keypoints)
    assert (found.roll, found.yaw, found.pitch) == pytest.approx((roll, yaw, 0), abs=0.5)


_ANYWHERE = (np.zeros(2), np.array([1.0, 0.0]), 9.0, 9)
