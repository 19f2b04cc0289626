"""Vision: everything that is computed from a photo, behind one object."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import cv2

from countenance.faces import Template
from countenance.settings import InferencePrecision, Settings
from countenance.vision import quality
from countenance.vision.calibration import Calibration
from countenance.vision.description import FaceDescriber
from countenance.vision.details import Attribute, FaceDetail
from countenance.vision.detection import Detection, FaceDetector
from countenance.vision.embedding import Recognizer
from countenance.vision.images import Photo
from countenance.vision.models.cards import Catalogue, ModelCard, Role
from countenance.vision.models.sessions import Session, open_session
from countenance.vision.quality import QualityFilter, Reason


class Vision:
    """The face models of one server, loaded and ready. Built once; thread-safe.

    Raises Misconfigured when the file of a model it needs is missing or is not the pinned one.
    """

    def __init__(self, settings: Settings) -> None:
        # Photos are worked on in parallel, one thread each; threads inside each step would only compete with them.
        cv2.setNumThreads(1)
        self._settings = settings
        self._catalogue = Catalogue(settings.models)
        self._detector = FaceDetector(self._session(self._catalogue.default(Role.DETECTOR)))
        self._describer = FaceDescriber(self._catalogue, self._session, settings.inferred_attributes)
        self._recognizers: dict[str, Recognizer] = {}
        self._calibrations: dict[str, Calibration] = {}
        self._loading = threading.Lock()
        card = self._catalogue.card(settings.recognizer)
        self.face_model_version = card.face_model_version
        self.recognizer(self.face_model_version)

    def _session(self, card: ModelCard) -> Session:
        # Templates alone bear bfloat16: it moves the detector's keypoints by up to an eighth of the way between the
        # eyes, and points of the mesh by half a pixel.
        recognizes = card.role is Role.RECOGNIZER
        precision = self._settings.inference_precision if recognizes else InferencePrecision.F32
        return open_session(card, self._settings.model_store, precision=precision, workers=self._settings.workers)

    def recognizer(self, face_model_version: str) -> Recognizer:
        """What makes templates of `face_model_version`; loaded when it is first asked for.

        Raises Misconfigured when this installation has no such model.
        """
        with self._loading:
            if face_model_version not in self._recognizers:
                card = self._catalogue.recognizer(face_model_version)
                self._recognizers[face_model_version] = Recognizer(card, self._session(card))
            return self._recognizers[face_model_version]

    def calibration(self, face_model_version: str) -> Calibration:
        """What the cosines of `face_model_version` mean. Raises Misconfigured when it has no calibration."""
        with self._loading:
            if face_model_version not in self._calibrations:
                card = self._catalogue.recognizer(face_model_version)
                self._calibrations[face_model_version] = Calibration.of_card(card)
            return self._calibrations[face_model_version]

    def detect(self, photo: Photo) -> list[Detection]:
        """The largest faces of a photo, at most 100, largest first; none is an empty list."""
        return self._detector.detect(photo)

    def describe(
        self, photo: Photo, detections: Sequence[Detection], attributes: frozenset[Attribute]
    ) -> list[FaceDetail]:
        """What is to be said of each of `detections`, in order: box, confidence, five landmarks, pose and quality
        always, the `attributes` as far as they can be told.
        """
        return self._describer.describe(photo, detections, attributes)

    def templates(self, photo: Photo, detections: Sequence[Detection], face_model_version: str) -> list[Template]:
        """One template of `face_model_version` per detection, in order."""
        return self.recognizer(face_model_version).templates(photo, detections)

    def appraise(
        self, photo: Photo, detection: Detection, detail: FaceDetail, quality_filter: QualityFilter, version: str
    ) -> tuple[Template | None, list[Reason]]:
        """The face's template of face model `version`; or None and why the face does not pass `quality_filter`.

        What the template shows of a face counts too (LOW_FACE_QUALITY); a face that fails otherwise is not embedded.
        """
        reasons = quality.reasons(detail, quality_filter)
        if reasons:
            return None, reasons
        (embedding,) = self.recognizer(version).embeddings(photo, [detection])
        reasons = quality.reasons(detail, quality_filter, embedding)
        return (None, reasons) if reasons else (embedding.template, [])
