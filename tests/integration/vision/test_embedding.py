"""Templates of real photos: agreement with OpenCV's own way, and that people are told apart."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from countenance.settings import ImageFormat, InferencePrecision
from countenance.vision.alignment import arcface_crop
from countenance.vision.detection import Detection, FaceDetector
from countenance.vision.embedding import Recognizer
from countenance.vision.images import Photo, decode
from countenance.vision.models.cards import Catalogue
from countenance.vision.models.graphs import fold_dequantization
from countenance.vision.models.sessions import OpenVINOSession

# One in ten thousand non-mated comparisons reaches more (LFW, 29.6 million comparisons).
COSINE_AT_FMR_1E4 = 0.42


def read(path: Path) -> Photo:
    return decode(path.read_bytes(), formats=frozenset(ImageFormat), max_bytes=10**8, max_pixels=10**8, min_side=1)


@pytest.fixture(scope="module")
def recognizer(models: Path) -> Recognizer:
    card = Catalogue().card("sface")
    return Recognizer(card, OpenVINOSession(card, models, precision=InferencePrecision.F32, workers=2))


@pytest.fixture(scope="module")
def faces(models: Path, portraits: dict[str, Path]) -> dict[str, tuple[Photo, Detection]]:
    card = Catalogue().card("yunet")
    detector = FaceDetector(OpenVINOSession(card, models, precision=InferencePrecision.F32, workers=1))
    found = {}
    for name in ("biden.jpg", "obama.jpg", "obama2.jpg", "obama3.jpg", "astronaut.png"):
        photo = read(portraits[name])
        (detection,) = detector.detect(photo)
        found[name] = (photo, detection)
    return found


@pytest.fixture(scope="module")
def opencv(models: Path, tmp_path_factory: pytest.TempPathFactory) -> cv2.FaceRecognizerSF:
    card = Catalogue().card("sface")
    path = tmp_path_factory.mktemp("opencv") / "sface.onnx"
    path.write_bytes(fold_dequantization(card.read(card.files[0], models)))
    return cv2.FaceRecognizerSF.create(str(path), "")


@pytest.mark.parametrize("name", ["obama2.jpg", "astronaut.png"])
def test_crop_and_template_are_those_of_opencv(
    name: str, recognizer: Recognizer, faces: dict[str, tuple[Photo, Detection]], opencv: cv2.FaceRecognizerSF
) -> None:
    photo, detection = faces[name]
    box = detection.bounding_box
    # Beyond twice the crop's size OpenCV samples where we average: compared where both do the same.
    scale = min(1.0, 120 / (box.width * photo.width))
    pixels = np.asarray(cv2.resize(photo.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    keypoints = detection.keypoints * np.float32(scale)
    row = np.concatenate([np.zeros(4), keypoints.ravel(), np.ones(1)]).astype(np.float32)[None]
    their_crop = opencv.alignCrop(np.ascontiguousarray(pixels[:, :, ::-1]), row)
    their_vector = opencv.feature(their_crop).ravel()

    our_crop = arcface_crop(pixels, keypoints)
    (ours,) = recognizer.embeddings(Photo(pixels, ""), [Detection(box, 99.0, keypoints)])

    assert np.abs(our_crop[:, :, ::-1].astype(int) - their_crop).max() <= 2
    assert ours.template.vector @ their_vector / np.linalg.norm(their_vector) > 0.9999
    assert ours.norm == pytest.approx(float(np.linalg.norm(their_vector)), rel=0.01)


def test_photos_of_one_person_match_and_of_different_people_do_not(
    recognizer: Recognizer, faces: dict[str, tuple[Photo, Detection]]
) -> None:
    vectors = {name: recognizer.templates(photo, [face])[0].vector for name, (photo, face) in faces.items()}
    for mate in ("obama2.jpg", "obama3.jpg"):
        assert vectors["obama.jpg"] @ vectors[mate] > COSINE_AT_FMR_1E4
    for other in ("biden.jpg", "astronaut.png"):
        assert vectors["obama.jpg"] @ vectors[other] < COSINE_AT_FMR_1E4
    assert vectors["biden.jpg"] @ vectors["astronaut.png"] < COSINE_AT_FMR_1E4


def test_templates_are_unit_norm_and_name_their_version(
    recognizer: Recognizer, faces: dict[str, tuple[Photo, Detection]]
) -> None:
    photo, face = faces["obama.jpg"]
    (template,) = recognizer.templates(photo, [face])
    assert template.vector.dtype == np.float32
    assert template.vector.shape == (recognizer.dimension,) == (128,)
    assert np.linalg.norm(template.vector) == pytest.approx(1, abs=1e-6)
    assert template.face_model_version == recognizer.face_model_version == "1.0"


def test_a_photo_without_faces_has_no_templates(recognizer: Recognizer) -> None:
    assert recognizer.templates(Photo(np.zeros((100, 100, 3), np.uint8), ""), []) == []


def test_many_faces_at_once_get_the_templates_they_get_alone_in_order(
    recognizer: Recognizer, faces: dict[str, tuple[Photo, Detection]]
) -> None:
    photo, face = faces["obama2.jpg"]
    lean = [
        Detection(face.bounding_box, 99.0, face.keypoints + np.float32(shift)) for shift in np.linspace(-30, 30, 19)
    ]
    together = recognizer.templates(photo, lean)
    assert len(together) == 19
    for detection, template in zip(lean, together, strict=True):
        (alone,) = recognizer.templates(photo, [detection])
        assert template.vector @ alone.vector > 0.9999


def test_a_blurred_face_has_a_shorter_embedding(
    recognizer: Recognizer, faces: dict[str, tuple[Photo, Detection]]
) -> None:
    photo, face = faces["astronaut.png"]
    blurred = Photo(np.asarray(cv2.GaussianBlur(photo.pixels, (0, 0), 8), np.uint8), "")
    (sharp,) = recognizer.embeddings(photo, [face])
    (dull,) = recognizer.embeddings(blurred, [face])
    assert dull.norm < 0.8 * sharp.norm


def test_bfloat16_templates_are_interchangeable_with_float32_ones(
    models: Path, recognizer: Recognizer, faces: dict[str, tuple[Photo, Detection]]
) -> None:
    card = Catalogue().card("sface")
    session = OpenVINOSession(card, models, precision=InferencePrecision.AUTO, workers=1)
    auto = Recognizer(card, session)
    for photo, face in faces.values():
        (exact,), (fast,) = recognizer.templates(photo, [face]), auto.templates(photo, [face])
        assert exact.vector @ fast.vector > 0.999


def test_threads_do_not_disturb_each_other(recognizer: Recognizer, faces: dict[str, tuple[Photo, Detection]]) -> None:
    expected = {name: recognizer.templates(photo, [face])[0].vector for name, (photo, face) in faces.items()}
    wrong = []

    def work(name: str) -> None:
        photo, face = faces[name]
        for _ in range(12):
            (template,) = recognizer.templates(photo, [face])
            if template.vector @ expected[name] < 0.9999:
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in [*faces, *faces]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
