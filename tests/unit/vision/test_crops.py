from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.vision import crops

RNG = np.random.default_rng(7)
PHOTO = RNG.integers(0, 256, (120, 160, 3), dtype=np.uint8)
POINTS = np.array([(10.0, 20.0, -5.0), (60.0, 3.0, 8.0)], np.float32)


@given(
    centre=st.tuples(st.floats(-50, 200), st.floats(-50, 200)),
    degrees=st.floats(-180, 180),
    side=st.floats(1, 2000),
)
def test_points_of_a_crop_come_back_to_where_they_were_in_the_photo(
    centre: tuple[float, float], degrees: float, side: float
) -> None:
    across = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    crop = crops.upright(PHOTO, np.array(centre), across, side, 64)
    there = crop.to_photo(POINTS)
    back = there[:, :2].astype(np.float64) @ crop.matrix[:, :2].T + crop.matrix[:, 2]
    assert back == pytest.approx(POINTS[:, :2], abs=0.05)
    assert there[:, 2] * crop.scale == pytest.approx(POINTS[:, 2], rel=1e-4)


def test_what_points_across_is_level_in_the_crop() -> None:
    photo = np.zeros((200, 200, 3), np.uint8)
    for step in range(-60, 61):  # a white line that falls to the right by 45 degrees
        photo[100 + step, 100 + step] = 255
    crop = crops.upright(photo, np.array([100.0, 100.0]), np.array([1.0, 1.0]), 60, 60)
    rows = crop.pixels[:, :, 0].mean(axis=1)
    assert abs(int(rows.argmax()) - 30) <= 1
    assert rows[:25].max() < rows.max() / 4


def test_large_squares_are_averaged_not_sampled() -> None:
    checkers = np.indices((512, 512)).sum(axis=0) % 2 * 255
    photo = np.repeat(checkers[:, :, None], 3, axis=2).astype(np.uint8)
    crop = crops.upright(photo, np.array([256.0, 256.0]), np.array([1.0, 0.0]), 256, 32)
    assert np.abs(crop.pixels.astype(int) - 127).max() <= 2


def test_what_lies_outside_the_photo_is_black() -> None:
    white = np.full((50, 50, 3), 255, np.uint8)
    for side in (60, 600):
        crop = crops.upright(white, np.array([500.0, 500.0]), np.array([1.0, 0.0]), side, 32)
        assert not crop.pixels.any()


def test_a_photo_of_one_row_gives_a_crop() -> None:
    assert crops.upright(PHOTO[:1], np.array([80.0, 0.0]), np.array([1.0, 0.0]), 100, 16).pixels.shape == (16, 16, 3)


@pytest.mark.parametrize("side", [40, 100])
def test_a_region_cut_again_is_as_cut_for_the_first_time(side: float) -> None:
    centre = np.array([70.0, 50.0])
    region = crops.Region(PHOTO, centre, side, 16)
    for degrees in (0, 90, 200, 0):
        across = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
        again, first = region.upright(across), crops.upright(PHOTO, centre, across, side, 16)
        assert np.array_equal(again.pixels, first.pixels)
        assert np.array_equal(again.matrix, first.matrix)
