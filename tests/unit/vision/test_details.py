"""Names must be Rekognition's own: they go on the wire as they are."""

from __future__ import annotations

from enum import StrEnum

import botocore.session
import pytest

from countenance.vision.description import UNAVAILABLE
from countenance.vision.details import Attribute, EmotionName, GenderType, LandmarkType
from countenance.vision.quality import QualityFilter, Reason

MODEL = botocore.session.get_session().get_service_model("rekognition")


@pytest.mark.parametrize(
    ("ours", "shape"),
    [
        (Attribute, "Attribute"),
        (LandmarkType, "LandmarkType"),
        (GenderType, "GenderType"),
        (EmotionName, "EmotionName"),
        (QualityFilter, "QualityFilter"),
        (Reason, "Reason"),
    ],
)
def test_enumerations_are_those_of_the_service_model(ours: type[StrEnum], shape: str) -> None:
    assert {member.value for member in ours} == set(MODEL.shape_for(shape).enum)


def test_what_is_said_to_be_unavailable_is_a_member_of_face_detail() -> None:
    assert set(UNAVAILABLE) <= set(MODEL.shape_for("FaceDetail").members)
