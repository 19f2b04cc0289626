"""The detector on real photos: agreement with OpenCV's own decoding, and what users send."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from countenance.faces import BoundingBox
from countenance.settings import ImageFormat, InferencePrecision
from countenance.vision.detection import Detection, FaceDetector
from countenance.vision.images import Photo, decode
from countenance.vision.models.cards import Catalogue
from countenance.vision.models.graphs import fold_dequantization
from countenance.vision.models.sessions import OpenVINOSession
from countenance.vision.yunet import YuNet

PORTRAITS = ("biden.jpg", "obama.jpg", "obama2.jpg", "obama3.jpg", "astronaut.png")


def photo_of(pixels: NDArray[np.uint8]) -> Photo:
    return Photo(np.ascontiguousarray(pixels), digest="")


def read(path: Path) -> Photo:
    return decode(path.read_bytes(), formats=frozenset(ImageFormat), max_bytes=10**8, max_pixels=10**8, min_side=1)


def resized(photo: Photo, scale: float) -> Photo:
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return photo_of(np.asarray(cv2.resize(photo.pixels, None, fx=scale, fy=scale, interpolation=method), np.uint8))


def ratios(keypoints: NDArray[np.float32], photo: Photo) -> NDArray[np.float64]:
    return keypoints / (photo.width, photo.height)


def interocular(detection: Detection) -> float:
    return float(np.hypot(*(detection.keypoints[1] - detection.keypoints[0])))


@pytest.fixture(scope="module")
def session(models: Path) -> OpenVINOSession:
    return OpenVINOSession(Catalogue().card("yunet"), models, precision=InferencePrecision.F32, workers=1)


@pytest.fixture(scope="module")
def detector(session: OpenVINOSession) -> FaceDetector:
    return FaceDetector(session)


@pytest.fixture(scope="module")
def astronaut(portraits: dict[str, Path]) -> Photo:
    return read(portraits["astronaut.png"])


@pytest.mark.parametrize("name", PORTRAITS)
def test_one_pass_decodes_as_opencv_does(
    name: str, session: OpenVINOSession, models: Path, portraits: dict[str, Path]
) -> None:
    card = Catalogue().card("yunet")
    photo = read(portraits[name])
    picture = resized(photo, 480 / photo.width)
    graph = np.frombuffer(fold_dequantization(card.read(card.files[0], models)), np.uint8)
    size = (picture.width, picture.height)
    opencv = cv2.FaceDetectorYN.create("onnx", graph, np.empty(0, np.uint8), size, 0.6, 0.3, 5000)
    _, theirs = opencv.detect(np.ascontiguousarray(picture.pixels[:, :, ::-1]))

    ours = YuNet(session).candidates(picture.pixels, 0.6)

    assert len(ours) >= 1
    np.testing.assert_allclose(ours[:, :14], theirs[:, :14], atol=0.1)
    np.testing.assert_allclose(ours[:, 14], theirs[:, 14], atol=1e-3)


@pytest.mark.parametrize("name", PORTRAITS)
def test_a_portrait_has_one_face_with_its_parts_in_place(
    name: str, detector: FaceDetector, portraits: dict[str, Path]
) -> None:
    (face,) = detector.detect(read(portraits[name]))
    eye_left, eye_right, nose, mouth_left, mouth_right = face.keypoints
    assert face.confidence > 90
    assert eye_left[0] < nose[0] < eye_right[0]
    assert mouth_left[0] < mouth_right[0]
    assert max(eye_left[1], eye_right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("name", PORTRAITS)
def test_a_photo_lying_on_its_side_or_head_gives_the_same_face(
    name: str, quarters: int, detector: FaceDetector, portraits: dict[str, Path]
) -> None:
    upright = resized(photo := read(portraits[name]), min(1.0, 640 / max(photo.width, photo.height)))
    (expected,) = detector.detect(upright)
    turned = photo_of(np.rot90(upright.pixels, quarters))

    (face,) = detector.detect(turned)

    x, y = expected.keypoints.T
    for _ in range(quarters):  # a quarter turn against the clock takes (x, y) to (y, width - x)
        x, y, upright = y, upright.width - x, photo_of(np.rot90(upright.pixels))
    shift = np.abs(face.keypoints - np.stack([x, y], axis=1)).max()
    assert shift < 0.25 * interocular(expected)


@pytest.mark.parametrize("width", [1920, 3840])
def test_rekognitions_smallest_face_is_found_whatever_the_size_of_the_photo(
    width: int, detector: FaceDetector, astronaut: Photo
) -> None:
    (face,) = detector.detect(astronaut)
    canvas = np.full((width * 9 // 16, width, 3), 128, dtype=np.uint8)
    # 40 pixels in 1920, and as much in proportion.
    small = resized(astronaut, 40 * width / 1920 / (face.bounding_box.width * astronaut.width))
    canvas[100 : 100 + small.height, 200 : 200 + small.width] = small.pixels

    (found,) = detector.detect(photo_of(canvas))

    expected = BoundingBox(
        (200 + face.bounding_box.left * small.width) / width,
        (100 + face.bounding_box.top * small.height) / canvas.shape[0],
        face.bounding_box.width * small.width / width,
        face.bounding_box.height * small.height / canvas.shape[0],
    )
    assert found.bounding_box.iou(expected) > 0.7


@pytest.mark.parametrize("side", [80, 120])
def test_a_face_in_the_smallest_photos_is_found(side: int, detector: FaceDetector, astronaut: Photo) -> None:
    head = photo_of(astronaut.pixels[:240, 100:340])
    (expected,) = detector.detect(head)
    (face,) = detector.detect(resized(head, side / 240))
    assert face.bounding_box.iou(expected.bounding_box) > 0.8


def test_a_face_that_fills_a_large_photo_is_found_once(detector: FaceDetector, astronaut: Photo) -> None:
    head = photo_of(astronaut.pixels[20:260, 110:330])
    (expected,) = detector.detect(head)
    (face,) = detector.detect(resized(head, 12))  # 2640 x 2880
    assert face.bounding_box.iou(expected.bounding_box) > 0.85


def test_small_faces_beside_a_large_one_are_found(detector: FaceDetector, astronaut: Photo) -> None:
    canvas = np.full((2000, 3000, 3), 90, dtype=np.uint8)
    large = resized(photo_of(astronaut.pixels[:330, 60:400]), 5)
    small = resized(photo_of(astronaut.pixels[:330, 60:400]), 0.5)
    canvas[100 : 100 + large.height, 100 : 100 + large.width] = large.pixels
    for row in range(5):
        canvas[100 + 300 * row : 100 + 300 * row + small.height, 2300 : 2300 + small.width] = small.pixels

    faces = detector.detect(photo_of(canvas))

    assert len(faces) == 6
    areas = [face.bounding_box.area for face in faces]
    assert areas == sorted(areas, reverse=True)
    assert areas[0] > 50 * areas[1]


def test_of_more_than_a_hundred_faces_the_largest_hundred_are_given(detector: FaceDetector, astronaut: Photo) -> None:
    head = photo_of(astronaut.pixels[:240, 100:340])
    rows = []
    for row in range(11):
        tile = resized(head, (80 if row < 10 else 60) / 240).pixels
        margin = (90 - tile.shape[0]) // 2
        padded = np.pad(tile, ((margin, 90 - tile.shape[0] - margin), (margin, 90 - tile.shape[1] - margin), (0, 0)))
        rows.append(np.tile(padded, (1, 11, 1)))
    faces = detector.detect(photo_of(np.concatenate(rows)))
    assert len(faces) == 100
    widths = [face.bounding_box.width * 990 for face in faces]
    assert min(widths) > 25  # the 11 smaller ones are the ones left out


@pytest.mark.parametrize("name", ["coffee.png", "chelsea.png", "rocket.jpg"])
def test_photos_without_a_human_face_give_none(name: str, detector: FaceDetector, portraits: dict[str, Path]) -> None:
    assert detector.detect(read(portraits[name])) == []


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("shape", [(80, 80), (1, 700), (700, 1), (33, 2000)])
def test_plain_pictures_of_any_shape_give_none(value: int, shape: tuple[int, int], detector: FaceDetector) -> None:
    assert detector.detect(photo_of(np.full((*shape, 3), value, dtype=np.uint8))) == []


def test_a_face_cut_by_the_border_keeps_its_whole_box(detector: FaceDetector, astronaut: Photo) -> None:
    (face,) = detector.detect(astronaut)
    box = face.bounding_box
    centre = round((box.left + box.width * 0.7) * astronaut.width)
    (cut,) = detector.detect(photo_of(astronaut.pixels[:, :centre]))
    assert cut.bounding_box.left + cut.bounding_box.width > 1.0


@pytest.mark.data
def test_no_animal_or_thing_of_the_rainbow_set_is_taken_for_a_face(detector: FaceDetector, data: Path) -> None:
    photos = sorted((data / "london" / "rainbow").glob("*.jpg"))
    assert len(photos) == 18
    assert [photo.name for photo in photos if detector.detect(read(photo))] == []


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "count"),
    [("live_001", 1), ("rotated90", 1), ("rotated180", 1), ("multi2", 3), ("black", 0), ("white", 0), ("small", 0)],
)
def test_the_validation_images_of_nist_have_the_faces_they_show(
    name: str, count: int, detector: FaceDetector, data: Path
) -> None:
    with Image.open(data / "unit" / "frvt_validation" / f"{name}.ppm") as image:
        photo = photo_of(np.asarray(image.convert("RGB")))
    assert len(detector.detect(photo)) == count


@pytest.mark.data
def test_a_painting_behind_a_person_is_not_taken_for_a_face(detector: FaceDetector, data: Path) -> None:
    assert len(detector.detect(read(data / "unit" / "public_officials" / "biden2.jpg"))) == 1


@pytest.mark.data
def test_every_tenth_portrait_of_congress_has_its_face_found(detector: FaceDetector, data: Path) -> None:
    photos = sorted((data / "congress").rglob("*.jpg"))[::10]
    assert len(photos) > 100
    assert [photo.name for photo in photos if not detector.detect(read(photo))] == []


@pytest.mark.data
def test_at_most_one_in_two_hundred_of_fairface_is_missed(detector: FaceDetector, data: Path) -> None:
    photos = sorted((data / "fairface" / "val").glob("*.jpg"))[::20]
    missed = [photo.name for photo in photos if not detector.detect(read(photo))]
    assert len(photos) == 250
    assert len(missed) <= 1
