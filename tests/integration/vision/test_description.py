"""What is said about real faces, by the real models."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from countenance.settings import ImageFormat, InferencePrecision, InferredAttribute
from countenance.vision.description import UNAVAILABLE, FaceDescriber
from countenance.vision.details import Attribute, FaceDetail, GenderType, LandmarkType
from countenance.vision.detection import FaceDetector
from countenance.vision.images import Photo, decode
from countenance.vision.models.cards import Catalogue, ModelCard, Role
from countenance.vision.models.sessions import OpenVINOSession, Session
from countenance.vision.quality import QualityFilter, Reason, reasons

DEFAULT = frozenset({Attribute.DEFAULT})
ALL = frozenset({Attribute.ALL})


class Describer:
    """Detection and description together, as a request has them."""

    def __init__(self, store: Path, *inferred: InferredAttribute) -> None:
        catalogue = Catalogue()

        def ready(card: ModelCard) -> Session:
            return OpenVINOSession(card, store, precision=InferencePrecision.F32, workers=2)

        self._detector = FaceDetector(ready(catalogue.default(Role.DETECTOR)))
        self._describer = FaceDescriber(catalogue, ready, frozenset(inferred))

    def __call__(self, photo: Photo, attributes: frozenset[Attribute] = ALL) -> list[FaceDetail]:
        return self._describer.describe(photo, self._detector.detect(photo), attributes)

    def face(self, photo: Photo, attributes: frozenset[Attribute] = ALL) -> FaceDetail:
        """The only face there is."""
        (detail,) = self(photo, attributes)
        return detail


@pytest.fixture(scope="module")
def describe(models: Path) -> Describer:
    return Describer(models)


def read(path: Path) -> Photo:
    formats = frozenset({ImageFormat.JPEG, ImageFormat.PNG})
    return decode(path.read_bytes(), formats=formats, max_bytes=10**7, max_pixels=10**8, min_side=1)


@pytest.fixture(scope="module")
def astronaut(portraits: dict[str, Path]) -> Photo:
    return read(portraits["astronaut.png"])


@pytest.fixture(scope="module")
def officials(portraits: dict[str, Path]) -> dict[str, Photo]:
    return {name: read(portraits[name]) for name in ("obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg")}


def changed(photo: Photo, pixels: NDArray[np.uint8]) -> Photo:
    return Photo(np.ascontiguousarray(pixels), photo.digest)


def turned(photo: Photo, degrees: float) -> Photo:
    """The photo turned clockwise about its middle."""
    centre = (photo.width / 2, photo.height / 2)
    matrix = cv2.getRotationMatrix2D(centre, -degrees, 1.0)
    size = (photo.width, photo.height)
    return changed(photo, cv2.warpAffine(photo.pixels, matrix, size, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8))


def points(detail: FaceDetail) -> dict[LandmarkType, tuple[float, float]]:
    return {mark.type: (mark.x, mark.y) for mark in detail.landmarks}


def test_default_has_five_landmarks_pose_and_quality_and_no_more(describe: Describer, astronaut: Photo) -> None:
    detail = describe.face(astronaut, DEFAULT)
    assert [mark.type for mark in detail.landmarks] == ["eyeLeft", "eyeRight", "mouthLeft", "mouthRight", "nose"]
    optional = [name for name in FaceDetail.__slots__ if getattr(detail, name) is None]
    assert len(optional) == 12


def test_all_has_thirty_landmarks_in_order_the_first_five_as_in_default(describe: Describer, astronaut: Photo) -> None:
    detail = describe.face(astronaut, ALL)
    assert [mark.type for mark in detail.landmarks] == list(LandmarkType)
    assert detail.landmarks[:5] == describe.face(astronaut, DEFAULT).landmarks


def test_landmarks_stand_where_their_names_say(describe: Describer, officials: dict[str, Photo]) -> None:
    for photo in officials.values():
        at = points(describe.face(photo, ALL))
        kind = LandmarkType
        from_left = [
            (kind.LEFT_EYE_BROW_LEFT, kind.LEFT_EYE_BROW_UP, kind.LEFT_EYE_BROW_RIGHT, kind.RIGHT_EYE_BROW_LEFT),
            (kind.RIGHT_EYE_BROW_LEFT, kind.RIGHT_EYE_BROW_UP, kind.RIGHT_EYE_BROW_RIGHT),
            (kind.UPPER_JAWLINE_LEFT, kind.LEFT_EYE_LEFT, kind.LEFT_PUPIL, kind.LEFT_EYE_RIGHT, kind.RIGHT_EYE_LEFT),
            (kind.RIGHT_EYE_LEFT, kind.RIGHT_PUPIL, kind.RIGHT_EYE_RIGHT, kind.UPPER_JAWLINE_RIGHT),
            (kind.EYE_LEFT, kind.NOSE_LEFT, kind.NOSE, kind.NOSE_RIGHT, kind.EYE_RIGHT),
            (kind.MID_JAWLINE_LEFT, kind.MOUTH_LEFT, kind.MOUTH_UP, kind.MOUTH_RIGHT, kind.MID_JAWLINE_RIGHT),
        ]
        from_top = [
            (kind.LEFT_EYE_BROW_UP, kind.LEFT_EYE_UP, kind.LEFT_EYE_DOWN, kind.NOSE_LEFT, kind.MOUTH_LEFT),
            (kind.RIGHT_EYE_BROW_UP, kind.RIGHT_EYE_UP, kind.RIGHT_EYE_DOWN, kind.NOSE_RIGHT, kind.MOUTH_RIGHT),
            (kind.NOSE, kind.MOUTH_UP, kind.MOUTH_DOWN, kind.CHIN_BOTTOM),
            (kind.UPPER_JAWLINE_LEFT, kind.MID_JAWLINE_LEFT, kind.CHIN_BOTTOM),
            (kind.UPPER_JAWLINE_RIGHT, kind.MID_JAWLINE_RIGHT, kind.CHIN_BOTTOM),
        ]
        for row in from_left:
            assert [at[name][0] for name in row] == sorted(at[name][0] for name in row), row
        for column in from_top:
            assert [at[name][1] for name in column] == sorted(at[name][1] for name in column), column
        for side in ("left", "right"):
            eye = [at[LandmarkType(f"{side}Eye{place}")] for place in ("Left", "Right", "Up", "Down")]
            pupil = at[LandmarkType(f"{side}Pupil")]
            assert min(x for x, _ in eye) < pupil[0] < max(x for x, _ in eye)
            assert np.hypot(*np.subtract(pupil, np.mean(eye, axis=0))) < 0.3 * (max(eye)[0] - min(eye)[0])


@pytest.mark.parametrize("degrees", [-60, -30, -10, 10, 30, 60])
def test_turning_the_photo_turns_roll_by_as_much(describe: Describer, astronaut: Photo, degrees: float) -> None:
    # The face alone, with room to turn in.
    around = changed(astronaut, astronaut.pixels[:260, 90:350])
    before, after = describe.face(around, DEFAULT).pose, describe.face(turned(around, degrees), DEFAULT).pose
    assert after.roll - before.roll == pytest.approx(degrees, abs=2)
    assert after.yaw == pytest.approx(before.yaw, abs=5)
    assert after.pitch == pytest.approx(before.pitch, abs=5)


def test_a_mirrored_photo_mirrors_roll_yaw_gaze_and_landmarks(describe: Describer, officials: dict[str, Photo]) -> None:
    for photo in officials.values():
        before, after = describe.face(photo), describe.face(changed(photo, photo.pixels[:, ::-1]))
        assert after.pose.roll == pytest.approx(-before.pose.roll, abs=2)
        assert after.pose.yaw == pytest.approx(-before.pose.yaw, abs=5)
        assert after.pose.pitch == pytest.approx(before.pose.pitch, abs=3)
        assert before.eye_direction is not None
        assert after.eye_direction is not None
        assert after.eye_direction.yaw == pytest.approx(-before.eye_direction.yaw, abs=6)
        assert points(after)[LandmarkType.NOSE][0] == pytest.approx(1 - points(before)[LandmarkType.NOSE][0], abs=0.01)


def test_faces_turned_to_either_side_have_yaw_of_that_sign(describe: Describer, officials: dict[str, Photo]) -> None:
    assert describe.face(officials["obama2.jpg"], DEFAULT).pose.yaw < -8  # speaks to his right, the photo's left
    assert describe.face(officials["obama3.jpg"], DEFAULT).pose.yaw > 5
    assert describe.face(officials["obama3.jpg"], DEFAULT).pose.pitch > 5  # seen from below


def test_light_and_blur_show_in_quality(describe: Describer, astronaut: Photo) -> None:
    def quality(pixels: NDArray[np.uint8]) -> tuple[float, float]:
        found = describe.face(changed(astronaut, pixels), DEFAULT).quality
        return found.brightness, found.sharpness

    brightness, sharpness = quality(astronaut.pixels)
    assert quality((astronaut.pixels * 0.5).astype(np.uint8))[0] < brightness * 0.7
    levels = [quality(cv2.GaussianBlur(astronaut.pixels, (0, 0), sigma).astype(np.uint8))[1] for sigma in (1.5, 3, 5)]
    assert [sharpness, *levels] == sorted([sharpness, *levels], reverse=True)
    assert levels[-1] < 40 < 80 < sharpness


def test_what_the_portraits_show(describe: Describer, astronaut: Photo, officials: dict[str, Photo]) -> None:
    smiling, speaking = describe.face(astronaut), describe.face(officials["obama2.jpg"])
    assert smiling.smile is not None
    assert smiling.smile.value
    assert smiling.smile.confidence > 90
    for detail in (smiling, speaking):
        assert detail.mouth_open is not None
        assert detail.mouth_open.value
        assert detail.eyes_open is not None
        assert detail.eyes_open.value
    closed = describe.face(officials["biden.jpg"])
    assert closed.mouth_open is not None
    assert not closed.mouth_open.value
    assert smiling.age_range is not None
    assert smiling.age_range.low <= 38 <= smiling.age_range.high  # Eileen Collins, born 1956, in 1994 or 1995
    assert smiling.eye_direction is not None
    assert abs(smiling.eye_direction.yaw) < 8
    assert abs(smiling.eye_direction.pitch) < 10


@pytest.mark.parametrize(
    ("attribute", "member"),
    [
        (Attribute.AGE_RANGE, "age_range"),
        (Attribute.SMILE, "smile"),
        (Attribute.EYES_OPEN, "eyes_open"),
        (Attribute.MOUTH_OPEN, "mouth_open"),
        (Attribute.EYE_DIRECTION, "eye_direction"),
        (Attribute.EYEGLASSES, "eyeglasses"),
        (Attribute.SUNGLASSES, "sunglasses"),
    ],
)
def test_one_attribute_brings_that_one_alone(
    describe: Describer, astronaut: Photo, attribute: Attribute, member: str
) -> None:
    detail = describe.face(astronaut, frozenset({Attribute.DEFAULT, attribute}))
    assert getattr(detail, member) == getattr(describe.face(astronaut, ALL), member) is not None
    others = {"age_range", "smile", "eyes_open", "mouth_open", "eye_direction", "eyeglasses", "sunglasses"} - {member}
    assert all(getattr(detail, other) is None for other in others)
    assert len(detail.landmarks) == 5


def wearing(photo: Photo, detail: FaceDetail, *, dark: bool) -> Photo:
    """The photo with glasses drawn on: round frames with a bridge, and lenses when they are dark."""
    pixels = photo.pixels.copy()
    at = points(detail)
    left, right = (
        np.array(at[kind]) * (photo.width, photo.height) for kind in (LandmarkType.EYE_LEFT, LandmarkType.EYE_RIGHT)
    )
    apart = float(np.hypot(*(right - left)))
    radius, frame = round(0.34 * apart), max(round(0.06 * apart), 2)
    for eye in (left, right):
        centre = (round(eye[0]), round(eye[1] + 0.05 * apart))
        if dark:
            cv2.circle(pixels, centre, radius, (35, 30, 30), -1, cv2.LINE_AA)
        cv2.circle(pixels, centre, radius, (40, 30, 25), frame, cv2.LINE_AA)
    middle, out = (left + right) / 2, (right - left) / apart
    for start, end in ((-0.18, 0.18), (-0.84, -1.1), (0.84, 1.1)):
        ends = [tuple(int(v) for v in np.round(middle + out * apart * along)) for along in (start, end)]
        cv2.line(pixels, ends[0], ends[1], (40, 30, 25), frame, cv2.LINE_AA)
    return changed(photo, cv2.GaussianBlur(pixels, (0, 0), 0.02 * apart).astype(np.uint8))


def test_glasses_are_seen_when_they_are_put_on(describe: Describer, officials: dict[str, Photo]) -> None:
    asked = frozenset({Attribute.EYEGLASSES, Attribute.SUNGLASSES})
    for photo in officials.values():
        bare = describe.face(photo, asked)
        clear, dark = (describe.face(wearing(photo, bare, dark=shade), asked) for shade in (False, True))
        worn = [(d.eyeglasses, d.sunglasses) for d in (bare, clear, dark)]
        assert all(glasses is not None and sunglasses is not None for glasses, sunglasses in worn)
        assert [(g.value, s.value) for g, s in worn if g and s] == [(False, False), (True, False), (True, True)]


def test_of_what_small_faces_wear_nothing_is_said(describe: Describer, astronaut: Photo) -> None:
    small = cv2.resize(astronaut.pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8)
    detail = describe.face(changed(astronaut, small), ALL)
    assert detail.eyeglasses is None
    assert detail.sunglasses is None


def test_what_cannot_be_measured_is_absent(describe: Describer, astronaut: Photo) -> None:
    detail = describe.face(astronaut, ALL)
    ours = {"Beard": "beard", "Emotions": "emotions", "FaceOccluded": "face_occluded", "Mustache": "mustache"}
    for member in UNAVAILABLE:
        assert getattr(detail, ours[member]) is None


def test_gender_is_guessed_only_when_it_is_turned_on(describe: Describer, models: Path, astronaut: Photo) -> None:
    assert describe.face(astronaut, ALL).gender is None
    turned_on = Describer(models, InferredAttribute.GENDER).face(astronaut, frozenset({Attribute.GENDER}))
    assert turned_on.gender is not None
    assert turned_on.gender.value is GenderType.FEMALE
    assert 50 <= turned_on.gender.confidence <= 100


def test_no_faces_give_no_details(describe: Describer, astronaut: Photo) -> None:
    assert describe(changed(astronaut, np.zeros_like(astronaut.pixels))) == []


def test_a_face_cut_by_the_border_is_described(describe: Describer, astronaut: Photo) -> None:
    height, width = astronaut.pixels.shape[:2]
    detail = describe.face(changed(astronaut, astronaut.pixels[:, 200 : width // 2 * 2][: height // 2]))
    assert len(detail.landmarks) == 30
    assert all(np.isfinite((mark.x, mark.y)).all() for mark in detail.landmarks)


def test_threads_get_the_same_answers_as_one_caller(describe: Describer, officials: dict[str, Photo]) -> None:
    photos = list(officials.values()) * 3
    alone = [describe(photo) for photo in photos]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(describe, photos)) == alone


def test_portraits_pass_every_quality_filter(
    describe: Describer, astronaut: Photo, officials: dict[str, Photo]
) -> None:
    for photo in (astronaut, *officials.values()):
        assert reasons(describe.face(photo, DEFAULT), QualityFilter.HIGH) == []


def test_bad_photos_do_not_pass_auto_and_are_told_why(describe: Describer, astronaut: Photo) -> None:
    def told(pixels: NDArray[np.uint8]) -> list[Reason]:
        return reasons(describe.face(changed(astronaut, pixels), DEFAULT), QualityFilter.AUTO)

    assert Reason.LOW_SHARPNESS in told(cv2.GaussianBlur(astronaut.pixels, (0, 0), 5).astype(np.uint8))
    assert Reason.LOW_BRIGHTNESS in told((astronaut.pixels * 0.08).astype(np.uint8))
    assert Reason.SMALL_BOUNDING_BOX in told(
        cv2.resize(astronaut.pixels, None, fx=0.22, fy=0.22, interpolation=cv2.INTER_AREA).astype(np.uint8)
    )
