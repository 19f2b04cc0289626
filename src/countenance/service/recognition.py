"""Use cases on photos alone: detect and compare. Nothing of them is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from countenance.errors import InvalidParameter
from countenance.faces import Template
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.photos import Photos, PhotoSource
from countenance.service.records import Candidate
from countenance.service.uses import Uses
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

    def __init__(self, uses: Uses, photos: Photos, vision: Vision) -> None:
        self._uses = uses
        self._photos = photos
        self._vision = vision

    def detect_faces(
        self, caller: Caller, source: PhotoSource, attributes: frozenset[Attribute] = frozenset()
    ) -> list[FaceDetail]:
        """The 100 largest faces of a photo, largest first; none is an empty list."""
        with self._uses.use(caller, Action.DETECT_FACES) as use:
            photo = self._photos.open(source)
            use.looked_at(photo)
            details = self._vision.describe(photo, self._vision.detect(photo), attributes)
            use.saw(len(details))
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
        asked: dict[str, Any] = {"threshold": threshold, "quality_filter": quality_filter}
        with self._uses.use(caller, Action.COMPARE_FACES, **asked) as use:
            source_photo = self._photos.open(source)
            target_photo = self._photos.open(target)
            use.looked_at(source_photo, target_photo)
            use.by(version)
            found = largest_passing(self._vision, source_photo, quality_filter, version)
            if found is None:
                raise InvalidParameter("There are no faces in the source image. Should be at least 1.")
            probe, probe_template = found
            candidates = self._candidates(target_photo, quality_filter, version)
            if not candidates:
                raise InvalidParameter("There are no faces in the target image. Should be at least 1.")
            calibration = self._vision.calibration(version)
            scored = [
                (float(calibration.similarity(float(probe_template.vector @ template.vector))), detail)
                for template, detail in candidates
            ]
            matches = sorted((pair for pair in scored if pair[0] >= use.threshold), key=lambda pair: -pair[0])
            matches = matches[: use.obligations.candidate_cap]
            use.state(matches=len(matches), unmatched=len(scored) - len(matches))
            if not use.disclose([_candidate(*pair) for pair in matches]):
                # Who is not among the others would be a match: nobody is told of either.
                return Comparison(probe, [], [])
            return Comparison(probe, matches, [detail for score, detail in scored if score < use.threshold])

    def _candidates(
        self, photo: Photo, quality_filter: QualityFilter, version: str
    ) -> list[tuple[Template, FaceDetail]]:
        detections = self._vision.detect(photo)
        details = self._vision.describe(photo, detections, COMPARED_ATTRIBUTES)
        appraised = [
            (self._vision.appraise(photo, detection, detail, quality_filter, version)[0], detail)
            for detection, detail in zip(detections, details, strict=True)
        ]
        return [(template, detail) for template, detail in appraised if template is not None]


def _candidate(similarity: float, detail: FaceDetail) -> Candidate:
    """A face of the target photo: nobody who is enrolled, so that only where it is can be said of it."""
    box = detail.bounding_box
    edges = {"Left": box.left, "Top": box.top, "Width": box.width, "Height": box.height}
    return Candidate(similarity, json.dumps(edges, sort_keys=True), None, {"BoundingBox": edges})


def largest_passing(
    vision: Vision, photo: Photo, quality_filter: QualityFilter, version: str
) -> tuple[Detection, Template] | None:
    """The largest face of a photo that the filter lets through, with its template; None when there is no such face."""
    for detection in vision.detect(photo):
        if quality_filter is QualityFilter.NONE:  # nothing needs to be said of the face
            (template,) = vision.templates(photo, [detection], version)
            return detection, template
        (detail,) = vision.describe(photo, [detection], frozenset())
        passing, _ = vision.appraise(photo, detection, detail, quality_filter, version)
        if passing is not None:
            return detection, passing
    return None
