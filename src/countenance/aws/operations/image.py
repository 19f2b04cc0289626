"""DetectFaces and CompareFaces."""

from __future__ import annotations

from countenance.aws.faces import bounding_box, compared_face, face_detail
from countenance.aws.operations.calls import Answer, Call, Operation
from countenance.vision.details import Attribute


def detect_faces(call: Call) -> Answer:
    """No face is an empty list."""
    attributes = frozenset(map(Attribute, call.request.get("Attributes", [])))
    details = call.application.recognition.detect_faces(call.caller, call.photo(), attributes)
    return {"FaceDetails": [face_detail(detail) for detail in details]}


def compare_faces(call: Call) -> Answer:
    """No face in either photo is an InvalidParameterException."""
    comparison = call.application.recognition.compare_faces(
        call.caller,
        call.photo("SourceImage"),
        call.photo("TargetImage"),
        **call.chosen(SimilarityThreshold="threshold"),
        **call.quality_filter(),
    )
    source = comparison.source
    return {
        "SourceImageFace": {"BoundingBox": bounding_box(source.bounding_box), "Confidence": source.confidence},
        "FaceMatches": [
            {"Similarity": similarity, "Face": compared_face(detail)} for similarity, detail in comparison.matches
        ],
        "UnmatchedFaces": [compared_face(detail) for detail in comparison.unmatched],
    }


OPERATIONS = {
    "DetectFaces": Operation(detect_faces, recognises=True),
    "CompareFaces": Operation(compare_faces, recognises=True),
}
