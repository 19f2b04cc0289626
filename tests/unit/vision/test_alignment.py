from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from countenance.vision.alignment import ARCFACE_TEMPLATE, arcface_crop, similarity


@given(
    scale=st.floats(0.05, 20),
    angle=st.floats(-np.pi, np.pi),
    shift=st.tuples(st.floats(-3000, 3000), st.floats(-3000, 3000)),
)
def test_a_turned_scaled_and_shifted_template_is_brought_back_exactly(
    scale: float, angle: float, shift: tuple[float, float]
) -> None:
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    points = ARCFACE_TEMPLATE @ np.array([[cosine, sine], [-sine, cosine]]) + shift
    matrix = similarity(points, ARCFACE_TEMPLATE)
    np.testing.assert_allclose(points @ matrix[:, :2].T + matrix[:, 2], ARCFACE_TEMPLATE, atol=1e-6)


def test_no_similarity_fits_better() -> None:
    generator = np.random.default_rng(1)
    points = ARCFACE_TEMPLATE * 3 + generator.normal(0, 8, (5, 2))
    best = similarity(points, ARCFACE_TEMPLATE)

    def error(matrix: np.ndarray) -> float:
        return float(((points @ matrix[:, :2].T + matrix[:, 2] - ARCFACE_TEMPLATE) ** 2).sum())

    for _ in range(200):
        a, b, x, y = generator.normal(0, 0.01, 4) * (1, 1, 50, 50)
        assert error(best + np.array([[a, -b, x], [b, a, y]])) >= error(best)


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    mirrored = ARCFACE_TEMPLATE * (-1, 1)
    assert np.linalg.det(similarity(mirrored, ARCFACE_TEMPLATE)[:, :2]) > 0


def test_keypoints_that_coincide_give_a_crop_and_no_error() -> None:
    pixels = np.full((90, 90, 3), 7, dtype=np.uint8)
    crop = arcface_crop(pixels, np.full((5, 2), 40, dtype=np.float32))
    assert crop.shape == (112, 112, 3)


def test_what_lies_outside_the_photo_is_black() -> None:
    pixels = np.full((112, 112, 3), 200, dtype=np.uint8)
    crop = arcface_crop(pixels, (ARCFACE_TEMPLATE - (56, 0)).astype(np.float32))
    assert (crop[:, :54] == 0).all()
    assert (crop[:, 58:] == 200).all()
