"""An operator's own emotion model: a card and a file, no code."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from countenance.errors import Misconfigured
from countenance.settings import ImageFormat, InferencePrecision, InferredAttribute
from countenance.vision.description import FaceDescriber
from countenance.vision.details import Attribute, Emotion
from countenance.vision.detection import FaceDetector
from countenance.vision.images import decode
from countenance.vision.models.cards import Catalogue, ModelCard, Role
from countenance.vision.models.sessions import OpenVINOSession, Session

CARD = """\
name = "colours"
role = "emotion"
title = "Mean colours"
licence = "none: made by this test"
provenance = "Made by this test; its logits are the mean red, green and blue of the crop."

[[files]]
name = "colours.onnx"
sha256 = "{sha256}"

[input]
layout = "NCHW"
colour = "RGB"
height = 64
width = 64
scale = [25.5, 25.5, 25.5]

[outputs]
logits = "means"

[classification]
labels = {labels}
margin = 0.6
"""


def bring_model(folder: Path, labels: str = '["HAPPY", "SAD", ""]') -> None:
    """What an operator puts into the folder of COUNTENANCE_MODELS."""
    shape = numpy_helper.from_array(np.array([1, 3], np.int64), "shape")
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
            helper.make_node("Reshape", ["pooled", "shape"], ["means"]),
        ],
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("means", TensorProto.FLOAT, [1, 3])],
        [shape],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, folder / "colours.onnx")
    sha256 = hashlib.sha256((folder / "colours.onnx").read_bytes()).hexdigest()
    (folder / "colours.toml").write_text(CARD.format(sha256=sha256, labels=labels))


def emotions(
    models: Path, folder: Path | None, portrait: Path, *inferred: InferredAttribute
) -> tuple[Emotion, ...] | None:
    """What DetectFaces would say."""
    catalogue = Catalogue(folder)

    def ready(card: ModelCard) -> Session:
        return OpenVINOSession(card, models, precision=InferencePrecision.F32, workers=1)

    describer = FaceDescriber(catalogue, ready, frozenset(inferred))
    photo = decode(portrait.read_bytes(), formats=frozenset(ImageFormat), max_bytes=10**7, max_pixels=10**7, min_side=1)
    found = FaceDetector(ready(catalogue.default(Role.DETECTOR))).detect(photo)
    return describer.describe(photo, found, frozenset({Attribute.ALL}))[0].emotions


def test_an_operators_model_is_asked_as_its_card_says(models: Path, portraits: dict[str, Path], tmp_path: Path) -> None:
    bring_model(tmp_path)
    found = emotions(models, tmp_path, portraits["astronaut.png"], InferredAttribute.EMOTIONS)
    assert found is not None
    # Skin is more red than green: the first label wins, the one without a name is left out.
    assert [emotion.type for emotion in found] == ["HAPPY", "SAD"]
    assert found[0].confidence > found[1].confidence > 0
    assert sum(emotion.confidence for emotion in found) < 100


def test_emotions_are_absent_when_they_are_off(models: Path, portraits: dict[str, Path], tmp_path: Path) -> None:
    bring_model(tmp_path)
    assert emotions(models, tmp_path, portraits["astronaut.png"]) is None


def test_emotions_are_absent_without_a_model(models: Path, portraits: dict[str, Path]) -> None:
    assert emotions(models, None, portraits["astronaut.png"], InferredAttribute.EMOTIONS) is None


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [('["HAPPY", "JOLLY", ""]', "JOLLY"), ('["HAPPY", "SAD"]', "3 outputs")],
)
def test_a_card_that_does_not_fit_is_refused(
    models: Path, portraits: dict[str, Path], tmp_path: Path, labels: str, complaint: str
) -> None:
    bring_model(tmp_path, labels)
    with pytest.raises(Misconfigured, match=complaint):
        emotions(models, tmp_path, portraits["astronaut.png"], InferredAttribute.EMOTIONS)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("[classification]", "[unknown]", "unknown"),
        ("width = 64", "width = 32", "square"),
        ('logits = "means"', 'scores = "means"', "logits"),
        ('role = "emotion"', 'role = "age"', "classification"),
    ],
)
def test_a_card_that_is_not_whole_is_refused(tmp_path: Path, before: str, after: str, complaint: str) -> None:
    bring_model(tmp_path)
    card = tmp_path / "colours.toml"
    card.write_text(card.read_text().replace(before, after))
    with pytest.raises(Misconfigured, match=complaint):
        Catalogue(tmp_path)
