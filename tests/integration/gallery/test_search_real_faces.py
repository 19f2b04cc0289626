"""The scan's error bound on templates of real people, whom no assumption of ours has made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from countenance.gallery.certificate import Residuals, alignment
from countenance.gallery.quantization import pack, quantizer
from countenance.settings import DEFAULT_MAX_PIXELS, REKOGNITION_MAX_IMAGE_BYTES, ImageFormat, Settings
from countenance.vision.analysis import Vision
from countenance.vision.images import decode

PEOPLE = 64  # two photos of each; what a gallery of a million must bear is taken for the bound all the same
GALLERY = 2**20


@pytest.fixture(scope="module")
def templates(data: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.float16]:
    """Templates (n, d) of the largest face of each photo, those of one person side by side."""
    vision = Vision(Settings(data=tmp_path_factory.mktemp("data"), model_store=models))
    rows = []
    for neutral in sorted((data / "london" / "neutral_front").glob("*.jpg"))[:PEOPLE]:
        smiling = data / "london" / "smiling_front" / neutral.name.replace("_03", "_08")
        for path in (neutral, smiling):
            photo = decode(
                path.read_bytes(),
                formats=frozenset({ImageFormat.JPEG}),
                max_bytes=REKOGNITION_MAX_IMAGE_BYTES,
                max_pixels=DEFAULT_MAX_PIXELS,
                min_side=80,
            )
            (largest, *_) = vision.detect(photo)
            rows += [one.vector for one in vision.templates(photo, [largest], vision.face_model_version)]
    return np.stack(rows).astype(np.float16)


@pytest.mark.data
def test_the_scan_errs_less_on_real_faces_than_the_bound_allows(templates: NDArray[np.float16]) -> None:
    """Every pair: the same person, others, and a photo with itself."""
    dimension, count = templates.shape[1], len(templates) // 32 * 32
    the = quantizer(dimension)
    codes, residuals = the.encode(templates[:count])
    index = the.index(pack(codes).ravel(), count)
    aligned = alignment(the.rotated_dimension, GALLERY)
    mated = others = 0
    for number in range(count):
        vector = templates[number].astype(np.float32)
        probe = the.probe(vector)
        (scanned,), (places,) = index.search(probe.rotated, count)
        scores = templates[places].astype(np.float32) @ vector
        for place, score, scan in zip(places, scores, scanned, strict=True):
            if score >= 0:
                own = Residuals(residuals.along[place : place + 1], residuals.across[place : place + 1], residuals.norm)
                assert scan >= own.floor(float(score), probe.norm, aligned) - probe.rounding
                mated += place // 2 == number // 2
                others += place // 2 != number // 2
    assert mated == count * 2
    assert others > count * 32
