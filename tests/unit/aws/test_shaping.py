"""Answers in the shape of the model."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from countenance.aws.model import operation_model
from countenance.aws.shaping import write_response


def test_members_that_are_none_are_left_out_and_empty_lists_are_kept() -> None:
    answer = {"FaceMatches": [], "SearchedFaceId": None, "FaceModelVersion": "1.0"}
    assert json.loads(write_response(answer, operation_model("SearchFaces"))) == {
        "FaceMatches": [],
        "FaceModelVersion": "1.0",
    }


def test_numbers_are_plain_and_timestamps_are_epoch_seconds() -> None:
    answer = {"FaceCount": np.int64(3), "UserCount": 0, "CreationTimestamp": 1569444828}
    written = write_response(answer, operation_model("DescribeCollection"))
    assert written == b'{"FaceCount":3,"CreationTimestamp":1569444828.0,"UserCount":0}'


def test_numpy_floats_are_written_within_lists_of_structures() -> None:
    answer = {"FaceMatches": [{"Similarity": np.float32(99.5), "Face": {"FaceId": "x"}}]}
    written = json.loads(write_response(answer, operation_model("SearchFaces")))
    assert written == {"FaceMatches": [{"Similarity": 99.5, "Face": {"FaceId": "x"}}]}


def test_an_operation_without_output_answers_an_empty_object() -> None:
    assert write_response({}, operation_model("CreateUser")) == b"{}"


def test_a_member_the_model_does_not_have_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="FaceId"):
        write_response({"FaceId": "x"}, operation_model("SearchFaces"))


def test_nan_is_never_answered() -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_response({"SearchedFaceConfidence": math.nan}, operation_model("SearchFacesByImage"))
