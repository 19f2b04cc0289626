"""Embedding: from a face to the template that tells it from others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.errors import Misconfigured
from countenance.faces import Template
from countenance.vision.alignment import ARCFACE_SIDE, arcface_crop
from countenance.vision.detection import Detection
from countenance.vision.images import Photo
from countenance.vision.models.cards import ModelCard
from countenance.vision.models.sessions import Session

# Side of the crop in pixels, and how much larger than ArcFace's 112 pixels show it the face is in it.
_ALIGNMENTS = {"arcface-112": (ARCFACE_SIDE, 1.0), "dlib-224": (224, 1.5)}


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """What a recognizer makes of a face: its template, and the length of the vector before it was made unit-norm.

    The length grows with how much of a face the crop shows: a measure of quality that costs nothing (compare Meng et
    al. 2021, MagFace). Its scale is the recognizer's own.
    """

    template: Template
    norm: float


class Recognizer:
    """Makes templates of one face model version. Thread-safe.

    Raises Misconfigured when the model's vectors have not the length its card says.
    """

    def __init__(self, card: ModelCard, session: Session) -> None:
        assert card.recognition is not None
        self.face_model_version = card.recognition.face_model_version
        self.dimension = card.recognition.dimension
        self._side, self._scale = _ALIGNMENTS[card.recognition.alignment]
        self._session = session
        probe = session.infer(np.zeros((1, self._side, self._side, 3), dtype=np.uint8))["embedding"]
        if probe.shape != (1, self.dimension):
            raise Misconfigured(f"{card.title} makes vectors of shape {probe.shape[1:]}, not ({self.dimension},).")

    def templates(self, photo: Photo, detections: Sequence[Detection]) -> list[Template]:
        """One template per detection, in order."""
        return [embedding.template for embedding in self.embeddings(photo, detections)]

    def embeddings(self, photo: Photo, detections: Sequence[Detection]) -> list[Embedding]:
        """One embedding per detection, in order."""
        if not detections:
            return []
        crops = np.stack(
            [
                arcface_crop(photo.pixels, detection.keypoints, side=self._side, scale=self._scale)
                for detection in detections
            ]
        )
        return [self._embedding(vector) for vector in self._session.infer(crops)["embedding"]]

    def _embedding(self, vector: NDArray[np.float32]) -> Embedding:
        norm = float(np.linalg.norm(vector))
        return Embedding(Template(vector / np.float32(norm), self.face_model_version), norm)
