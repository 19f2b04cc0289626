"""The face recognisers that are measured, each used as its own documentation shows.

Every one takes the bytes of an image file to one template per face. `encode` does that in the shortest way; `timed`
does the same step by step. All run on one thread here: who measures decides how many of them work at once.
"""

from __future__ import annotations

import importlib
import io
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from bench import photos
from countenance.settings import InferencePrecision, Settings
from countenance.vision.alignment import arcface_crop
from countenance.vision.analysis import Vision
from countenance.vision.details import Attribute
from countenance.vision.models.cards import Catalogue
from countenance.vision.models.graphs import fold_dequantization

Templates = list[NDArray[np.float32]]


class Contender(Protocol):
    """One way from an image file to templates."""

    def encode(self, data: bytes) -> Templates:
        """One template per face."""

    def timed(self, data: bytes) -> dict[str, float]:
        """Seconds of each step; a step that cannot be told from the next one is counted there."""


class Laps:
    """Seconds between calls, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def end(self, step: str) -> None:
        """The step that began with the last call, or with this object, is over."""
        now = time.perf_counter()
        self.seconds[step] = now - self._last
        self._last = now


class Countenance:
    """This project, with its default models."""

    def __init__(self, precision: InferencePrecision, workers: int) -> None:
        self._settings = Settings.model_validate(
            {"data": tempfile.gettempdir(), "inference_precision": precision, "workers": workers}
        )
        self._vision = Vision(self._settings)

    def encode(self, data: bytes) -> Templates:
        """One template per face."""
        photo = photos.opened(data, self._settings)
        found = self._vision.templates(photo, self._vision.detect(photo), self._vision.face_model_version)
        return [template.vector for template in found]

    def timed(self, data: bytes) -> dict[str, float]:
        """Embedding aligns too, so that alignment is measured by itself and taken off."""
        laps = Laps()
        photo = photos.opened(data, self._settings)
        laps.end("decode")
        detections = self._vision.detect(photo)
        laps.end("detect")
        for detection in detections:
            arcface_crop(photo.pixels, detection.keypoints)
        laps.end("align")
        self._vision.templates(photo, detections, self._vision.face_model_version)
        laps.end("embed")
        self._vision.describe(photo, detections, frozenset())
        laps.end("default attributes")
        self._vision.describe(photo, detections, frozenset({Attribute.ALL}))
        laps.end("all attributes")
        laps.seconds["embed"] -= laps.seconds["align"]
        return laps.seconds


class FaceRecognition:
    """face_recognition: dlib's HOG detector and ResNet, with the defaults of its README."""

    def __init__(self) -> None:
        self._library: Any = importlib.import_module("face_recognition")

    def encode(self, data: bytes) -> Templates:
        """One template per face."""
        image = self._library.load_image_file(io.BytesIO(data))
        return [encoding.astype(np.float32) for encoding in self._library.face_encodings(image)]

    def timed(self, data: bytes) -> dict[str, float]:
        """Its alignment happens inside the embedding."""
        laps = Laps()
        image = self._library.load_image_file(io.BytesIO(data))
        laps.end("decode")
        locations = self._library.face_locations(image)
        laps.end("detect")
        self._library.face_encodings(image, locations)
        laps.end("embed")
        return laps.seconds


class OpenCV:
    """OpenCV's own FaceDetectorYN and FaceRecognizerSF, with the weights that Countenance takes."""

    def __init__(self, weights: Path) -> None:
        cv2.setNumThreads(1)
        detector, recognizer = _weights(weights)
        self._detector = cv2.FaceDetectorYN.create(str(detector), "", (320, 320))
        self._recognizer = cv2.FaceRecognizerSF.create(str(recognizer), "")

    def encode(self, data: bytes) -> Templates:
        """One template per face."""
        image = self._open(data)
        return [self._embed(self._recognizer.alignCrop(image, face)) for face in self._detect(image)]

    def timed(self, data: bytes) -> dict[str, float]:
        """Step by step."""
        laps = Laps()
        image = self._open(data)
        laps.end("decode")
        faces = self._detect(image)
        laps.end("detect")
        crops = [self._recognizer.alignCrop(image, face) for face in faces]
        laps.end("align")
        for crop in crops:
            self._embed(crop)
        laps.end("embed")
        return laps.seconds

    def _open(self, data: bytes) -> Any:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)

    def _detect(self, image: Any) -> Any:
        self._detector.setInputSize((image.shape[1], image.shape[0]))
        _, faces = self._detector.detect(image)
        return () if faces is None else faces

    def _embed(self, crop: Any) -> NDArray[np.float32]:
        # The recogniser gives out its own memory, which its next call overwrites.
        return np.array(self._recognizer.feature(crop)[0], dtype=np.float32)


class DeepFace:
    """deepface with the same two models: `model_name="SFace", detector_backend="yunet"`."""

    def __init__(self, weights: Path) -> None:
        os.environ["DEEPFACE_HOME"] = str(weights)
        _weights(weights / ".deepface" / "weights")
        self._library: Any = importlib.import_module("deepface.DeepFace")
        self._no_face: type[Exception] = importlib.import_module("deepface.modules.exceptions").FaceNotDetected
        cv2.setNumThreads(1)

    def encode(self, data: bytes) -> Templates:
        """One template per face."""
        try:
            found = self._library.represent(io.BytesIO(data), model_name="SFace", detector_backend="yunet")
        except self._no_face:
            return []
        return [np.asarray(face["embedding"], np.float32) for face in found]

    def timed(self, data: bytes) -> dict[str, float]:
        """Decoding and alignment happen inside its detection."""
        laps = Laps()
        try:
            faces = self._library.extract_faces(io.BytesIO(data), detector_backend="yunet", color_face="bgr")
        except self._no_face:
            faces = []
        laps.end("detect")
        for face in faces:
            self._library.represent(face["face"], model_name="SFace", detector_backend="skip")
        laps.end("embed")
        return laps.seconds


@dataclass(frozen=True)
class Entry:
    """A contender under its name in the tables.

    `threads` says that one process works on several photos at once; the others, whose calls hold Python's lock or keep
    state, get one process per core, which is how they use all cores best.
    """

    title: str
    make: Callable[[Path, int], Contender]
    threads: bool = False


ENTRIES = {
    "countenance-bf16": Entry(
        "Countenance, bf16", lambda _, workers: Countenance(InferencePrecision.BF16, workers), threads=True
    ),
    "countenance-f32": Entry(
        "Countenance, f32", lambda _, workers: Countenance(InferencePrecision.F32, workers), threads=True
    ),
    "face_recognition": Entry("face_recognition 1.3.0", lambda _weights, _workers: FaceRecognition()),
    "deepface": Entry("deepface 0.0.103, SFace + yunet", lambda weights, _: DeepFace(weights)),
    "opencv": Entry("OpenCV YuNet + SFace", lambda weights, _: OpenCV(weights)),
}


def _weights(folder: Path) -> tuple[Path, Path]:
    """YuNet and SFace in `folder`, as float32 and under the names by which peers look for them."""
    folder.mkdir(parents=True, exist_ok=True)
    store = Settings.model_validate({"data": folder}).model_store
    paths = []
    for name, file_name in (
        ("yunet", "face_detection_yunet_2023mar.onnx"),
        ("sface", "face_recognition_sface_2021dec.onnx"),
    ):
        card = Catalogue().card(name)
        path = folder / file_name
        if not path.exists():
            # Several processes may do this at once: each file appears whole.
            draft = folder / f".{file_name}.{os.getpid()}"
            draft.write_bytes(fold_dequantization(card.read(card.files[0], store)))
            draft.replace(path)
        paths.append(path)
    return paths[0], paths[1]
