"""What computed an answer, pinned: the hashes of the model files and of the calibration behind a face model version."""

from __future__ import annotations

from functools import lru_cache

from countenance.ledger.entries import Model
from countenance.settings import Settings
from countenance.vision.calibration import Calibration
from countenance.vision.models.cards import Catalogue, Role


class Pins:
    """The models of one server as entries name them. No model is loaded: their cards say what pins them."""

    def __init__(self, settings: Settings) -> None:
        self._catalogue = Catalogue(settings.models)
        self._recognizer = settings.recognizer
        self.model = lru_cache(maxsize=None)(self._model)

    def in_use(self) -> tuple[Model, ...]:
        """Those that new collections are bound to."""
        return (self.model(self._catalogue.card(self._recognizer).face_model_version),)

    def _model(self, face_model_version: str) -> Model:
        """Raises `Misconfigured` for a version that is not installed here, or has no calibration."""
        recognizer = self._catalogue.recognizer(face_model_version)
        files = (file.sha256 for card in (self._catalogue.default(Role.DETECTOR), recognizer) for file in card.files)
        return Model(
            face_model_version=face_model_version,
            files=tuple(files),
            calibration=Calibration.of_card(recognizer).sha256,
        )
