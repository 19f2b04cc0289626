"""What a processor computes in must not decide who somebody is: bfloat16 templates compare as float32 ones do."""

from __future__ import annotations

from pathlib import Path

import openvino
import pytest

from countenance.settings import ImageFormat, InferencePrecision, Settings
from countenance.vision.analysis import Vision
from countenance.vision.calibration import Calibration
from countenance.vision.images import decode


@pytest.mark.skipif(
    "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"),
    reason="this processor computes no bfloat16",
)
def test_a_photo_has_one_template_whatever_the_arithmetic(
    models: Path, portraits: dict[str, Path], tmp_path: Path
) -> None:
    visions = [
        Vision(Settings(data=tmp_path, model_store=models, inference_precision=precision, workers=1))
        for precision in (InferencePrecision.F32, InferencePrecision.BF16)
    ]
    calibration = Calibration.packaged(visions[0].face_model_version)
    for name in ("obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "astronaut.png"):
        photo = decode(
            portraits[name].read_bytes(),
            formats=frozenset(ImageFormat),
            max_bytes=2**24,
            max_pixels=2**27,
            min_side=1,
        )
        one, other = (v.templates(photo, v.detect(photo)[:1], v.face_model_version)[0].vector for v in visions)
        cosine = float(one @ other)
        assert cosine > 0.997
        assert calibration.similarity(cosine) > 99.99
