"""What is said about a face: Rekognition's FaceDetail and its parts, under Rekognition's own names.

Positions are ratios of the upright photo's width and height and may fall outside 0 to 1; angles are degrees, -180 to
180 (signs: `countenance.vision.pose`); confidences are 0 to 100 and never mean similarity.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from countenance.faces import BoundingBox


class Attribute(StrEnum):
    """What DetectFaces and IndexFaces can be asked for."""

    DEFAULT = "DEFAULT"
    ALL = "ALL"
    AGE_RANGE = "AGE_RANGE"
    BEARD = "BEARD"
    EMOTIONS = "EMOTIONS"
    EYE_DIRECTION = "EYE_DIRECTION"
    EYEGLASSES = "EYEGLASSES"
    EYES_OPEN = "EYES_OPEN"
    GENDER = "GENDER"
    MOUTH_OPEN = "MOUTH_OPEN"
    MUSTACHE = "MUSTACHE"
    FACE_OCCLUDED = "FACE_OCCLUDED"
    SMILE = "SMILE"
    SUNGLASSES = "SUNGLASSES"


class LandmarkType(StrEnum):
    """The points of a face, in the order in which Rekognition lists them. Left is the photo's left."""

    EYE_LEFT = "eyeLeft"
    EYE_RIGHT = "eyeRight"
    MOUTH_LEFT = "mouthLeft"
    MOUTH_RIGHT = "mouthRight"
    NOSE = "nose"
    LEFT_EYE_BROW_LEFT = "leftEyeBrowLeft"
    LEFT_EYE_BROW_RIGHT = "leftEyeBrowRight"
    LEFT_EYE_BROW_UP = "leftEyeBrowUp"
    RIGHT_EYE_BROW_LEFT = "rightEyeBrowLeft"
    RIGHT_EYE_BROW_RIGHT = "rightEyeBrowRight"
    RIGHT_EYE_BROW_UP = "rightEyeBrowUp"
    LEFT_EYE_LEFT = "leftEyeLeft"
    LEFT_EYE_RIGHT = "leftEyeRight"
    LEFT_EYE_UP = "leftEyeUp"
    LEFT_EYE_DOWN = "leftEyeDown"
    RIGHT_EYE_LEFT = "rightEyeLeft"
    RIGHT_EYE_RIGHT = "rightEyeRight"
    RIGHT_EYE_UP = "rightEyeUp"
    RIGHT_EYE_DOWN = "rightEyeDown"
    NOSE_LEFT = "noseLeft"
    NOSE_RIGHT = "noseRight"
    MOUTH_UP = "mouthUp"
    MOUTH_DOWN = "mouthDown"
    LEFT_PUPIL = "leftPupil"
    RIGHT_PUPIL = "rightPupil"
    UPPER_JAWLINE_LEFT = "upperJawlineLeft"
    MID_JAWLINE_LEFT = "midJawlineLeft"
    CHIN_BOTTOM = "chinBottom"
    MID_JAWLINE_RIGHT = "midJawlineRight"
    UPPER_JAWLINE_RIGHT = "upperJawlineRight"


class GenderType(StrEnum):
    """The two values Rekognition knows: a reading of appearance, never of a person's identity."""

    MALE = "Male"
    FEMALE = "Female"


class EmotionName(StrEnum):
    """An expression that seems to be on a face: a reading of appearance, never of what somebody feels."""

    HAPPY = "HAPPY"
    SAD = "SAD"
    ANGRY = "ANGRY"
    CONFUSED = "CONFUSED"
    DISGUSTED = "DISGUSTED"
    SURPRISED = "SURPRISED"
    CALM = "CALM"
    UNKNOWN = "UNKNOWN"
    FEAR = "FEAR"


@dataclass(frozen=True, slots=True)
class Landmark:
    """One point of a face."""

    type: LandmarkType
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Pose:
    """How the head is turned, in degrees."""

    roll: float
    yaw: float
    pitch: float


@dataclass(frozen=True, slots=True)
class Quality:
    """How bright and how sharp the face is, 0 to 100 each."""

    brightness: float
    sharpness: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether something is so, and the confidence in `value` (whichever it is), 50 to 100 by construction."""

    value: bool
    confidence: float


@dataclass(frozen=True, slots=True)
class AgeRange:
    """Years of apparent age, both ends included."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class EyeDirection:
    """Where the eyes look, in degrees, independent of the head's pose."""

    yaw: float
    pitch: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Gender:
    """Apparent gender."""

    value: GenderType
    confidence: float


@dataclass(frozen=True, slots=True)
class Emotion:
    """One apparent expression."""

    type: EmotionName
    confidence: float


@dataclass(frozen=True, slots=True)
class FaceDetail:
    """One face of a photo. A field that is None was not asked for, or cannot be measured honestly."""

    bounding_box: BoundingBox
    confidence: float
    landmarks: tuple[Landmark, ...]
    pose: Pose
    quality: Quality
    side: float  # shorter side of the box in pixels of the photo; not on the wire, quality filters ask for it
    age_range: AgeRange | None = None
    smile: Judgement | None = None
    eyeglasses: Judgement | None = None
    sunglasses: Judgement | None = None
    gender: Gender | None = None
    beard: Judgement | None = None
    mustache: Judgement | None = None
    eyes_open: Judgement | None = None
    mouth_open: Judgement | None = None
    emotions: tuple[Emotion, ...] | None = None
    face_occluded: Judgement | None = None
    eye_direction: EyeDirection | None = None
