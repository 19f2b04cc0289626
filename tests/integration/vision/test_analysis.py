"""Vision as the service holds it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from countenance.errors import Misconfigured
from countenance.settings import ImageFormat, Settings
from countenance.vision.analysis import Vision
from countenance.vision.details import Attribute
from countenance.vision.images import Photo, decode
from countenance.vision.quality import QualityFilter, Reason

CARD = """
name = "house"
role = "recognizer"
title = "The house's recognizer"
licence = "proprietary"
provenance = "A random projection of coarse grey levels, made by a test."

[[files]]
name = "house.onnx"
sha256 = "{sha256}"

[input]
layout = "NCHW"
colour = "BGR"
height = 112
width = 112
mean = [127.5, 127.5, 127.5]
scale = [127.5, 127.5, 127.5]

[outputs]
embedding = "vector"

[recognition]
face_model_version = "20.1"
dimension = {dimension}
"""


def projection() -> bytes:
    """A graph in the form of an ArcFace model: (1, 3, 112, 112) in, (1, 64) out."""
    weights = np.random.default_rng(5).normal(size=(3 * 14 * 14, 64)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["image"], ["coarse"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["coarse"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["vector"]),
    ]
    graph = helper.make_graph(
        nodes,
        "house",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 112, 112])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1, 64])],
        [numpy_helper.from_array(weights, "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    content = projection()
    (folder / "house.onnx").write_bytes(content)
    (folder / "house.toml").write_text(CARD.format(sha256=hashlib.sha256(content).hexdigest(), dimension=64))
    return folder


@pytest.fixture(scope="module")
def vision(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Vision:
    return Vision(Settings(data=tmp_path_factory.mktemp("data"), model_store=models, workers=2))


@pytest.fixture(scope="module")
def obama(portraits: dict[str, Path]) -> Photo:
    data = portraits["obama2.jpg"].read_bytes()
    return decode(data, formats=frozenset({ImageFormat.JPEG}), max_bytes=len(data), max_pixels=10**8, min_side=80)


def test_a_face_whose_template_shows_little_of_it_is_left_out(vision: Vision, obama: Photo) -> None:
    (face,) = vision.detect(obama)
    (detail,) = vision.describe(obama, [face], frozenset())
    box = face.bounding_box
    top, bottom = int(box.top * obama.height), int((box.top + box.height) * obama.height)
    left, right = int(box.left * obama.width), int((box.left + box.width) * obama.width)
    covered = obama.pixels.copy()
    covered[top:bottom, left:right] = 90
    passing, reasons = vision.appraise(
        Photo(covered, obama.digest), face, detail, QualityFilter.AUTO, vision.face_model_version
    )
    assert passing is None
    assert reasons == [Reason.LOW_FACE_QUALITY]


def test_a_photo_goes_all_the_way(vision: Vision, obama: Photo) -> None:
    faces = vision.detect(obama)
    (detail,) = vision.describe(obama, faces, frozenset({Attribute.DEFAULT}))
    (template,) = vision.templates(obama, faces, vision.face_model_version)
    assert detail.bounding_box == faces[0].bounding_box
    assert len(detail.landmarks) == 5
    passing, reasons = vision.appraise(obama, faces[0], detail, QualityFilter.AUTO, vision.face_model_version)
    assert passing is not None
    assert not reasons
    assert np.array_equal(passing.vector, template.vector)
    assert template.face_model_version == vision.face_model_version == "1.0"
    assert vision.calibration(template.face_model_version).face_model_version == template.face_model_version


def test_a_version_that_no_model_here_makes_is_refused(vision: Vision, obama: Photo) -> None:
    with pytest.raises(Misconfigured, match="face model version 'arcface-9'"):
        vision.templates(obama, [], "arcface-9")
    with pytest.raises(Misconfigured, match="face model version 'arcface-9'"):
        vision.calibration("arcface-9")


def test_a_store_without_models_stops_the_server(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="is missing: run `countenance models install`"):
        Vision(Settings(data=tmp_path, model_store=tmp_path))


def test_a_detector_cannot_be_the_recognizer(models: Path, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="'yunet' is no recognizer"):
        Vision(Settings(data=tmp_path, model_store=models, recognizer="yunet"))


def test_an_operators_recognizer_drops_in_without_code(models: Path, house: Path, tmp_path: Path, obama: Photo) -> None:
    settings = Settings(data=tmp_path, model_store=models, models=house, recognizer="house", workers=1)
    vision = Vision(settings)
    faces = vision.detect(obama)

    (template,) = vision.templates(obama, faces, "20.1")
    (theirs,) = vision.templates(obama, faces, "1.0")  # collections made before stay with their version

    assert vision.face_model_version == template.face_model_version == "20.1"
    assert template.vector.shape == (64,)
    assert np.linalg.norm(template.vector) == pytest.approx(1, abs=1e-6)
    assert theirs.vector.shape == (128,)
    with pytest.raises(Misconfigured, match="calibrat"):
        vision.calibration("20.1")


def test_a_recognizer_whose_card_states_another_length_stops_the_server(
    models: Path, house: Path, tmp_path: Path
) -> None:
    card = (house / "house.toml").read_text().replace("dimension = 64", "dimension = 512")
    (house / "house.toml").write_text(card)
    with pytest.raises(Misconfigured, match=r"makes vectors of shape \(64,\), not \(512,\)"):
        Vision(Settings(data=tmp_path, model_store=models, models=house, recognizer="house"))
