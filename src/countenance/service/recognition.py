"""Use cases on photos alone: detect and compare. Nothing of them is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from countenance.errors import InvalidParameter
from countenance.service.callers import Caller
from countenance.service.photos import Photos, PhotoSource
from countenance.service.uses import Action, use
from countenance.vision.analysis import Vision
from countenance.vision.details import Attribute, FaceDetail
from countenance.vision.detection import Detection
from countenance.vision.images import Photo
from countenance.vision.quality import QualityFilter

# Rekognition's documented default for CompareFaces, SearchFaces*, SearchUsers*.
DEFAULT_THRESHOLD = 80.0

# What a ComparedFace says of a face beyond the default attributes.
COMPARED_ATTRIBUTES = frozenset({Attribute.SMILE, Attribute.EMOTIONS})


@dataclass(frozen=True, slots=True)
class Comparison:
    """The source face, the target faces at or above the threshold (best first), and those below it."""

    source: Detection
    matches: Sequence[tuple[float, FaceDetail]]
    unmatched: Sequence[FaceDetail]


class Recognition:
    """Detects and compares faces in photos."""

    def __init__(self, photos: Photos, vision: Vision) -> None:
        self._photos = photos
        self._vision = vision

    def detect_faces(
        self, caller: Caller, source: PhotoSource, attributes: frozenset[Attribute] = frozenset()
    ) -> list[FaceDetail]:
        """The 100 largest faces of a photo, largest first; none is an empty list."""
        with use(caller, Action.DETECT_FACES) as outcome:
            photo = self._photos.open(source)
            details = self._vision.describe(photo, self._vision.detect(photo), attributes)
            outcome.state(faces=len(details))
            return details

    def compare_faces(
        self,
        caller: Caller,
        source: PhotoSource,
        target: PhotoSource,
        *,
        threshold: float = DEFAULT_THRESHOLD,
        quality_filter: QualityFilter = QualityFilter.NONE,
    ) -> Comparison:
        """Compare the largest face of `source` with the 100 largest of `target`.

        Raises `InvalidParameter` when either photo has no face that passes the filter.
        """
        version = self._vision.face_model_version
        with use(caller, Action.COMPARE_FACES, threshold=threshold, face_model_version=version) as outcome:
            source_photo = self._photos.open(source)
            target_photo = self._photos.open(target)
            probe = largest_passing(self._vision, source_photo, quality_filter)
            if probe is None:
                raise InvalidParameter("There are no faces in the source image. Should be at least 1.")
            candidates = self._candidates(target_photo, quality_filter)
            if not candidates:
                raise InvalidParameter("There are no faces in the target image. Should be at least 1.")
            (probe_template,) = self._vision.templates(source_photo, [probe], version)
            templates = self._vision.templates(target_photo, [detection for detection, _ in candidates], version)
            calibration = self._vision.calibration(version)
            scored = [
                (float(calibration.similarity(float(probe_template.vector @ template.vector))), detail)
                for template, (_, detail) in zip(templates, candidates, strict=True)
            ]
            matches = sorted((pair for pair in scored if pair[0] >= threshold), key=lambda pair: -pair[0])
            outcome.state(matches=len(matches), unmatched=len(scored) - len(matches))
            return Comparison(probe, matches, [detail for score, detail in scored if score < threshold])

    def _candidates(self, photo: Photo, quality_filter: QualityFilter) -> list[tuple[Detection, FaceDetail]]:
        detections = self._vision.detect(photo)
        details = self._vision.describe(photo, detections, COMPARED_ATTRIBUTES)
        return [
            (detection, detail)
            for detection, detail in zip(detections, details, strict=True)
            if not self._vision.quality_reasons(detail, quality_filter)
        ]


def largest_passing(vision: Vision, photo: Photo, quality_filter: QualityFilter) -> Detection | None:
    """The largest face of a photo that the filter lets through; None when there is no such face."""
    for detection in vision.detect(photo):
        if quality_filter is QualityFilter.NONE:
            return detection
        (detail,) = vision.describe(photo, [detection], frozenset())
        if not vision.quality_reasons(detail, quality_filter):
            return detection
    return None
