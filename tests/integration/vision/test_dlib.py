"""The second recognizer, dlib's, beside the first."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from countenance.errors import Misconfigured
from countenance.settings import ImageFormat, Settings
from countenance.vision.analysis import Vision
from countenance.vision.images import Photo, decode
from countenance.vision.models.cards import Catalogue
from countenance.vision.models.install import install

DLIB = "2.0"

# One in a thousand non-mated comparisons between portraits of members of Congress reaches more.
COSINE_AT_FMR_1E3 = 0.93


def read(path: Path) -> Photo:
    return decode(path.read_bytes(), formats=frozenset(ImageFormat), max_bytes=10**8, max_pixels=10**8, min_side=80)


@pytest.fixture(scope="module")
def store(models: Path) -> Path:
    pytest.importorskip("dlib", reason="needs the extra dlib")
    install(models, [Catalogue().card("dlib-resnet")])
    return models


@pytest.fixture(scope="module")
def vision(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Vision:
    return Vision(Settings(data=tmp_path_factory.mktemp("data"), model_store=store, recognizer="dlib-resnet"))


def test_photos_of_one_person_match_and_of_different_people_do_not(vision: Vision, portraits: dict[str, Path]) -> None:
    vectors = {}
    for name in ("obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "astronaut.png"):
        photo = read(portraits[name])
        (template,) = vision.templates(photo, vision.detect(photo), vision.face_model_version)
        assert template.face_model_version == DLIB
        assert np.linalg.norm(template.vector) == pytest.approx(1, abs=1e-5)
        vectors[name] = template.vector
    assert vectors["obama.jpg"] @ vectors["obama2.jpg"] > COSINE_AT_FMR_1E3
    assert vectors["obama.jpg"] @ vectors["obama3.jpg"] > COSINE_AT_FMR_1E3
    assert vectors["obama.jpg"] @ vectors["biden.jpg"] < COSINE_AT_FMR_1E3
    assert vectors["obama.jpg"] @ vectors["astronaut.png"] < COSINE_AT_FMR_1E3


def test_a_photo_lying_on_its_side_gives_the_same_template(vision: Vision, portraits: dict[str, Path]) -> None:
    photo = read(portraits["astronaut.png"])
    turned = Photo(np.ascontiguousarray(np.rot90(photo.pixels)), "")
    (upright,) = vision.templates(photo, vision.detect(photo), DLIB)
    (lying,) = vision.templates(turned, vision.detect(turned), DLIB)
    assert upright.vector @ lying.vector > 0.97


def test_several_faces_keep_their_order(vision: Vision, portraits: dict[str, Path]) -> None:
    photo = read(portraits["obama2.jpg"])
    (face,) = vision.detect(photo)
    (alone,) = vision.templates(photo, [face], DLIB)
    for template in vision.templates(photo, [face, face, face], DLIB):
        assert template.vector @ alone.vector > 0.9999


def test_both_recognizers_serve_side_by_side_with_versions_that_differ(
    vision: Vision, portraits: dict[str, Path]
) -> None:
    photo = read(portraits["obama2.jpg"])
    faces = vision.detect(photo)
    (ours,), (theirs,) = vision.templates(photo, faces, "1.0"), vision.templates(photo, faces, DLIB)
    assert ours.vector.shape == theirs.vector.shape
    assert ours.face_model_version != theirs.face_model_version
    assert abs(float(ours.vector @ theirs.vector)) < 0.5


def test_without_the_extra_the_server_does_not_start_and_says_what_to_install(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(Misconfigured, match=r"install countenance\[dlib\]"):
        Vision(Settings(data=tmp_path, model_store=models, recognizer="dlib-resnet"))


def test_without_its_files_the_server_does_not_start_and_says_what_to_run(
    store: Path, models: Path, tmp_path: Path
) -> None:
    for name in ("face_detection_yunet_2023mar_int8bq.onnx", "face_landmark.tflite", "iris_landmark.tflite"):
        (tmp_path / name).symlink_to(models / name)
    (tmp_path / "age-v1.onnx").symlink_to(models / "age-v1.onnx")
    with pytest.raises(Misconfigured, match=r"dlib_face_recognition_resnet_model_v1\.dat.*models install"):
        Vision(Settings(data=tmp_path, model_store=tmp_path, recognizer="dlib-resnet"))
