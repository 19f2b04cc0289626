"""What computed an answer, pinned: the hashes of the model files and of the calibration behind a face model version."""

from __future__ import annotations

from functools import lru_cache

from countenance.ledger.entries import Model
from countenance.vision.analysis import Vision


class Pins:
    """The models of one server as entries name them."""

    def __init__(self, vision: Vision) -> None:
        self._vision = vision
        self.model = lru_cache(maxsize=None)(self._model)

    def in_use(self) -> tuple[Model, ...]:
        """Those that new collections are bound to."""
        return (self.model(self._vision.face_model_version),)

    def _model(self, face_model_version: str) -> Model:
        """Raises `Misconfigured` for a version that is not installed here, or has no calibration."""
        return Model(
            face_model_version=face_model_version,
            files=self._vision.files(face_model_version),
            calibration=self._vision.calibration(face_model_version).sha256,
        )
