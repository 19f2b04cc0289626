"""Emotions, as a face looks: off unless the operator turns them on and brings a model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countenance.errors import Misconfigured
from countenance.vision import crops
from countenance.vision.details import Emotion, EmotionName
from countenance.vision.detection import Detection
from countenance.vision.images import Photo
from countenance.vision.mesh import Mesh, eye_centres
from countenance.vision.models.cards import ModelCard
from countenance.vision.models.sessions import Session


class EmotionClassifier:
    """Classifies with an operator's `emotion` model, as its card says: output `logits` (n, labels).

    Raises Misconfigured when a label of the card is neither empty nor one of the names of the API, and when the model
    has more or fewer outputs than labels.
    """

    def __init__(self, card: ModelCard, session: Session) -> None:
        assert card.classification is not None
        assert card.input is not None
        assert card.input.height is not None
        known = {name.value for name in EmotionName}
        if unknown := [label for label in card.classification.labels if label and label not in known]:
            names = ", ".join(sorted(known))
            raise Misconfigured(f"The card of {card.title} has the label {unknown[0]!r}: use {names}, or an empty one.")
        self._labels = card.classification.labels
        self._margin = card.classification.margin
        self._size = card.input.height
        self._session = session
        outputs = len(self._logits(np.zeros((self._size, self._size, 3), np.uint8)))
        if outputs != len(self._labels):
            raise Misconfigured(f"{card.title} has {outputs} outputs, its card {len(self._labels)} labels.")

    def classify(self, photo: Photo, detection: Detection, mesh: Mesh) -> tuple[Emotion, ...]:
        """Every label of the card, likeliest first; confidence is the model's own probability in per cent."""
        box = detection.bounding_box
        centre = np.array([(box.left + box.width / 2) * photo.width, (box.top + box.height / 2) * photo.height])
        side = self._margin * max(box.width * photo.width, box.height * photo.height)
        left, right = eye_centres(mesh.points)
        crop = crops.upright(photo.pixels, centre, right - left, side, self._size)
        logits = self._logits(crop.pixels)
        weights = np.exp(logits - logits.max())
        found = [
            Emotion(EmotionName(label), float(100 * share))
            for label, share in zip(self._labels, weights / weights.sum(), strict=True)
            if label
        ]
        return tuple(sorted(found, key=lambda emotion: -emotion.confidence))

    def _logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        return self._session.infer(pixels[None])["logits"].reshape(-1).astype(np.float64)
