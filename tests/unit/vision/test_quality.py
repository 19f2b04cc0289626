from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from countenance.faces import BoundingBox, Template
from countenance.vision import crops, quality
from countenance.vision.details import FaceDetail, Pose, Quality
from countenance.vision.embedding import Embedding
from countenance.vision.mesh import POINTS, SIZE, Mesh
from countenance.vision.quality import QualityFilter, Reason

STRICTER = [QualityFilter.NONE, QualityFilter.LOW, QualityFilter.AUTO, QualityFilter.MEDIUM, QualityFilter.HIGH]


def patch() -> NDArray[np.uint8]:
    """Something with edges and shades at every scale, as faces have."""
    rng = np.random.default_rng(3)
    layers = [cv2.resize(rng.uniform(0, 60, (n, n)), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) for n in (4, 16, 96)]
    grey = np.clip(sum(layers) + 20, 0, 255)
    return np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8)


def mesh(pixels: NDArray[np.uint8], *, around: float = SIZE / 2) -> Mesh:
    """A round face in the middle of `pixels`, which are its crop."""
    points = np.full((POINTS, 3), around, np.float32)
    turns = np.linspace(0, 2 * np.pi, len(quality.OVAL), endpoint=False)
    points[quality.OVAL, 0] += 60 * np.sin(turns)
    points[quality.OVAL, 1] -= 60 * np.cos(turns)
    return Mesh(points, 1.0, crops.Crop(pixels, 1.0, np.eye(2, 3)))


@given(light=st.floats(0.05, 0.95))
def test_less_light_is_less_brightness(light: float) -> None:
    full = quality.measure(mesh(patch()))
    dim = quality.measure(mesh((patch() * light).astype(np.uint8)))
    assert dim.brightness < full.brightness


@given(sigma=st.floats(1.0, 4.0))  # beyond, the steps of 8 bits are what is left to see
def test_more_blur_is_less_sharpness(sigma: float) -> None:
    blurred = cv2.GaussianBlur(patch(), (0, 0), sigma).astype(np.uint8)
    more = cv2.GaussianBlur(patch(), (0, 0), sigma * 1.5).astype(np.uint8)
    levels = [quality.measure(mesh(pixels)).sharpness for pixels in (patch(), blurred, more)]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] > levels[1] > levels[2]


def test_contrast_and_light_do_not_pass_for_sharpness() -> None:
    full = quality.measure(mesh(patch())).sharpness
    assert quality.measure(mesh((patch() * 0.5).astype(np.uint8))).sharpness == pytest.approx(full, abs=3)


def test_black_and_white_are_the_ends_of_brightness() -> None:
    black, white = np.zeros((SIZE, SIZE, 3), np.uint8), np.full((SIZE, SIZE, 3), 255, np.uint8)
    assert quality.measure(mesh(black)) == Quality(0.0, 0.0)
    assert quality.measure(mesh(white)).brightness == pytest.approx(100)


def test_a_face_outside_its_crop_has_no_quality() -> None:
    assert quality.measure(mesh(patch(), around=1e6)) == Quality(0.0, 0.0)


GOOD = FaceDetail(BoundingBox(0.3, 0.3, 0.3, 0.4), 95.0, (), Pose(0, 5, -5), Quality(55, 90), 200.0)


@st.composite
def details(draw: st.DrawFn) -> FaceDetail:
    """Any face that can be described."""
    return FaceDetail(
        BoundingBox(0, 0, 0.1, 0.1),
        draw(st.floats(0, 100)),
        (),
        Pose(draw(st.floats(-180, 180)), draw(st.floats(-90, 90)), draw(st.floats(-180, 180))),
        Quality(draw(st.floats(0, 100)), draw(st.floats(0, 100))),
        draw(st.floats(0, 3000)),
    )


@given(detail=details())
def test_a_stricter_filter_has_every_reason_of_a_milder_one(detail: FaceDetail) -> None:
    found = [set(quality.reasons(detail, quality_filter)) for quality_filter in STRICTER]
    assert found[0] == set()
    for milder, stricter in itertools.pairwise(found):
        assert milder <= stricter


def test_a_good_portrait_passes_every_filter() -> None:
    assert [quality.reasons(GOOD, quality_filter) for quality_filter in STRICTER] == [[]] * 5


def replaced(**changes: object) -> FaceDetail:
    fields = {name: getattr(GOOD, name) for name in FaceDetail.__slots__}
    return FaceDetail(**{**fields, **changes})


@pytest.mark.parametrize(
    ("detail", "reason"),
    [
        (replaced(pose=Pose(0, -70, 0)), Reason.EXTREME_POSE),
        (replaced(pose=Pose(0, 0, 60)), Reason.EXTREME_POSE),
        (replaced(quality=Quality(2, 90)), Reason.LOW_BRIGHTNESS),
        (replaced(quality=Quality(55, 10)), Reason.LOW_SHARPNESS),
        (replaced(confidence=55.0), Reason.LOW_CONFIDENCE),
        (replaced(side=12.0), Reason.SMALL_BOUNDING_BOX),
    ],
)
def test_a_bad_face_does_not_pass_auto_and_is_told_why(detail: FaceDetail, reason: Reason) -> None:
    assert quality.reasons(detail, QualityFilter.AUTO) == [reason]


@pytest.mark.parametrize("quality_filter", STRICTER)
@given(light=st.floats(7, 100))
def test_no_filter_takes_dark_skin_for_bad_light(quality_filter: QualityFilter, light: float) -> None:
    """Dark skin in middling light is as bright as light skin in little: no filter may ask for what skin decides."""
    assert quality.reasons(replaced(quality=Quality(light, 90)), quality_filter) == []


def test_a_head_that_leans_is_not_an_extreme_pose() -> None:
    assert quality.reasons(replaced(pose=Pose(80, 0, 0)), QualityFilter.HIGH) == []


def embedding(norm: float, version: str) -> Embedding:
    return Embedding(Template(np.zeros(128, np.float32), version), norm)


def test_a_short_embedding_tells_of_a_bad_face_where_its_lengths_are_known() -> None:
    assert quality.reasons(GOOD, QualityFilter.AUTO, embedding(3.0, "1.0")) == [Reason.LOW_FACE_QUALITY]
    assert quality.reasons(GOOD, QualityFilter.HIGH, embedding(12.0, "1.0")) == []
    assert quality.reasons(GOOD, QualityFilter.HIGH, embedding(0.5, "another-1.0")) == []
