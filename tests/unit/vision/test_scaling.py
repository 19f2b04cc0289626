"""Photos at another size: things stay where they are, and fine detail averages out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from countenance.vision.scaling import scaled


def spot(width: int, height: int, x: float, y: float, radius: float) -> NDArray[np.uint8]:
    """A soft white spot around (x, y), in pixels from the corner, on black."""
    down, across = np.mgrid[0:height, 0:width] + 0.5
    brightness = 250 * np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * radius**2))
    return np.repeat(brightness[:, :, None], 3, axis=2).astype(np.uint8)


def centre(pixels: NDArray[np.uint8]) -> tuple[float, float]:
    weights = pixels[:, :, 0].astype(np.float64)
    down, across = np.mgrid[0 : pixels.shape[0], 0 : pixels.shape[1]] + 0.5
    return float((weights * across).sum() / weights.sum()), float((weights * down).sum() / weights.sum())


@pytest.mark.parametrize(("width", "height"), [(801, 1003), (800, 1000), (1003, 447)])
@pytest.mark.parametrize("scale", [0.11, 0.25, 0.3, 0.5, 0.63, 0.97, 1.0, 1.4, 2.0])
def test_what_is_near_the_far_corner_is_where_the_scale_says(width: int, height: int, scale: float) -> None:
    x, y = width - 120.3, height - 130.7

    found = centre(scaled(spot(width, height, x, y, radius=20), scale))

    assert found == pytest.approx((x * scale, y * scale), abs=0.05)


def test_stripes_as_fine_as_pixels_become_grey() -> None:
    stripes = np.zeros((400, 400, 3), dtype=np.uint8)
    stripes[:, ::2] = 255

    smaller = scaled(stripes, 0.3)

    assert np.abs(smaller.astype(int) - 128).max() <= 1


@given(width=st.integers(1, 300), height=st.integers(1, 300), scale=st.floats(0.001, 2.0))
def test_every_shape_keeps_at_least_a_pixel_and_loses_less_than_one(width: int, height: int, scale: float) -> None:
    result = scaled(np.full((height, width, 3), 77, dtype=np.uint8), scale)

    assert result.dtype == np.uint8
    assert (result == 77).all()
    for before, after in ((height, result.shape[0]), (width, result.shape[1])):
        assert after >= 1
        assert before * scale - 1.5 <= after <= max(1.0, before * scale + 0.5)
