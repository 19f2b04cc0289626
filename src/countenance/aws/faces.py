"""Faces, as Rekognition writes them."""

from __future__ import annotations

from typing import Any

from countenance.faces import BoundingBox
from countenance.gallery.faces import Face
from countenance.vision.details import EyeDirection, FaceDetail, Judgement

Structure = dict[str, Any]


def bounding_box(box: BoundingBox) -> Structure:
    """BoundingBox."""
    return {"Width": box.width, "Height": box.height, "Left": box.left, "Top": box.top}


def face(enrolled: Face) -> Structure:
    """Face: what a collection keeps of one."""
    return {
        "FaceId": enrolled.face_id,
        "BoundingBox": bounding_box(enrolled.bounding_box),
        "ImageId": enrolled.image_id,
        "ExternalImageId": enrolled.external_image_id,
        "Confidence": enrolled.confidence,
        "IndexFacesModelVersion": enrolled.face_model_version,
        "UserId": enrolled.user_id,
    }


def face_detail(detail: FaceDetail) -> Structure:
    """FaceDetail: what is seen of a face in a photo."""
    return {
        **compared_face(detail),
        "AgeRange": detail.age_range and {"Low": detail.age_range.low, "High": detail.age_range.high},
        "Eyeglasses": _judgement(detail.eyeglasses),
        "Sunglasses": _judgement(detail.sunglasses),
        "Gender": detail.gender and {"Value": detail.gender.value, "Confidence": detail.gender.confidence},
        "Beard": _judgement(detail.beard),
        "Mustache": _judgement(detail.mustache),
        "EyesOpen": _judgement(detail.eyes_open),
        "MouthOpen": _judgement(detail.mouth_open),
        "FaceOccluded": _judgement(detail.face_occluded),
        "EyeDirection": _eye_direction(detail.eye_direction),
    }


def compared_face(detail: FaceDetail) -> Structure:
    """ComparedFace: the smaller description that CompareFaces gives."""
    return {
        "BoundingBox": bounding_box(detail.bounding_box),
        "Confidence": detail.confidence,
        "Landmarks": [{"Type": mark.type, "X": mark.x, "Y": mark.y} for mark in detail.landmarks],
        "Pose": {"Roll": detail.pose.roll, "Yaw": detail.pose.yaw, "Pitch": detail.pose.pitch},
        "Quality": {"Brightness": detail.quality.brightness, "Sharpness": detail.quality.sharpness},
        "Emotions": _emotions(detail),
        "Smile": _judgement(detail.smile),
    }


def face_match(similarity: float, enrolled: Face) -> Structure:
    """FaceMatch: how alike, and who."""
    return {"Similarity": similarity, "Face": face(enrolled)}


def _judgement(judgement: Judgement | None) -> Structure | None:
    if judgement is None:
        return None
    return {"Value": judgement.value, "Confidence": judgement.confidence}


def _emotions(detail: FaceDetail) -> list[Structure] | None:
    if detail.emotions is None:
        return None
    return [{"Type": emotion.type, "Confidence": emotion.confidence} for emotion in detail.emotions]


def _eye_direction(direction: EyeDirection | None) -> Structure | None:
    if direction is None:
        return None
    return {"Yaw": direction.yaw, "Pitch": direction.pitch, "Confidence": direction.confidence}
