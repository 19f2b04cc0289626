"""Requests held against Rekognition's own model."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.aws import validation
from countenance.aws.errors import SerializationException
from countenance.aws.model import operation_model, pattern, service_model
from countenance.aws.operations import OPERATIONS
from countenance.aws.validation import read_request
from countenance.errors import InvalidParameter

FACE_ID = "11111111-2222-3333-4444-555555555555"
JPEG = base64.b64encode(b"\xff\xd8\xff").decode()

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def read(operation: str, request: Any) -> dict[str, Any]:
    return read_request(json.dumps(request).encode(), operation_model(operation).input_shape)


def complaint(operation: str, request: Any) -> str:
    with pytest.raises(InvalidParameter) as refused:
        read(operation, request)
    return refused.value.message


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("ListCollections", {}),
        ("ListCollections", {"MaxResults": 0}),
        ("CreateCollection", {"CollectionId": "a.b-c_9" + "x" * 248}),
        ("CreateCollection", {"CollectionId": "a", "Tags": {"Département": "Côte d Or", "日本": ""}}),
        ("SearchFaces", {"CollectionId": "a", "FaceId": FACE_ID, "MaxFaces": 4096, "FaceMatchThreshold": 99}),
        ("SearchFaces", {"CollectionId": "a", "FaceId": FACE_ID, "FaceMatchThreshold": 99.5}),
        ("DeleteFaces", {"CollectionId": "a", "FaceIds": [FACE_ID] * 4096}),
        ("CreateUser", {"CollectionId": "a", "UserId": "u:1", "ClientRequestToken": "a-_9"}),
    ],
)
def test_a_valid_request_is_read_as_it_is(operation: str, request_: dict[str, Any]) -> None:
    assert read(operation, request_) == request_


def test_blobs_are_decoded() -> None:
    request = read("DetectFaces", {"Image": {"Bytes": JPEG}, "Attributes": ["ALL"]})
    assert request == {"Image": {"Bytes": b"\xff\xd8\xff"}, "Attributes": ["ALL"]}


def test_members_the_model_does_not_name_are_ignored() -> None:
    request = {"CollectionId": "a", "Novelty": [1], "__type": "x"}
    assert read("DescribeCollection", request) == {"CollectionId": "a"}


def test_null_is_absence() -> None:
    assert read("ListFaces", {"CollectionId": "a", "UserId": None}) == {"CollectionId": "a"}


VALID: dict[str, dict[str, Any]] = {
    "DescribeCollection": {"CollectionId": "a"},
    "CreateCollection": {"CollectionId": "a"},
    "SearchFaces": {"CollectionId": "a", "FaceId": FACE_ID},
    "DeleteFaces": {"CollectionId": "a", "FaceIds": [FACE_ID]},
    "IndexFaces": {"CollectionId": "a", "Image": {"Bytes": JPEG}},
    "DetectFaces": {"Image": {"Bytes": JPEG}},
}
COLLECTION_PATTERN = r"Member must satisfy regular expression pattern: [a-zA-Z0-9_.\-]+"
NO_BASE64 = "Member must be base64"


@pytest.mark.parametrize(
    ("operation", "changed", "value", "path", "constraint"),
    [
        ("DescribeCollection", {"CollectionId": None}, " null", "collectionId", "Member must not be null"),
        ("DescribeCollection", {"CollectionId": "bad id"}, " 'bad id'", "collectionId", COLLECTION_PATTERN),
        ("DescribeCollection", {"CollectionId": "line\n"}, " 'line\n'", "collectionId", COLLECTION_PATTERN),
        ("DescribeCollection", {"CollectionId": "nul\0"}, " 'nul\0'", "collectionId", COLLECTION_PATTERN),
        ("DescribeCollection", {"CollectionId": 5}, " '5'", "collectionId", "Member must be a string"),
        ("DescribeCollection", {"CollectionId": ["a"]}, " '[a]'", "collectionId", "Member must be a string"),
        ("DescribeCollection", {"CollectionId": {"a": 1}}, " '{a=1}'", "collectionId", "Member must be a string"),
        (
            "DescribeCollection",
            {"CollectionId": "x" * 256},
            f" '{'x' * 64}…'",
            "collectionId",
            "Member must have length less than or equal to 255",
        ),
        (
            "SearchFaces",
            {"FaceMatchThreshold": 100.1},
            " '100.1'",
            "faceMatchThreshold",
            "Member must have value less than or equal to 100",
        ),
        (
            "SearchFaces",
            {"FaceMatchThreshold": -1},
            " '-1'",
            "faceMatchThreshold",
            "Member must have value greater than or equal to 0",
        ),
        (
            "SearchFaces",
            {"FaceMatchThreshold": 10**400},
            f" '1{'0' * 63}…'",
            "faceMatchThreshold",
            "Member must have value less than or equal to 100",
        ),
        ("SearchFaces", {"MaxFaces": 0}, " '0'", "maxFaces", "Member must have value greater than or equal to 1"),
        ("SearchFaces", {"MaxFaces": 4097}, " '4097'", "maxFaces", "Member must have value less than or equal to 4096"),
        ("SearchFaces", {"MaxFaces": 1.5}, " '1.5'", "maxFaces", "Member must be an integer"),
        ("SearchFaces", {"MaxFaces": True}, " 'True'", "maxFaces", "Member must be an integer"),
        ("SearchFaces", {"FaceMatchThreshold": "99"}, " '99'", "faceMatchThreshold", "Member must be a number"),
        (
            "IndexFaces",
            {"MaxFaces": 2**31},
            " '2147483648'",
            "maxFaces",
            "Member must have value less than or equal to 2147483647",
        ),
        (
            "IndexFaces",
            {"QualityFilter": "auto"},
            " 'auto'",
            "qualityFilter",
            "Member must satisfy enum value set: [NONE, AUTO, LOW, MEDIUM, HIGH]",
        ),
        (
            "DetectFaces",
            {"Attributes": ["ALL", "FOO"]},
            " '[ALL, FOO]'",
            "attributes",
            "Member must satisfy constraint: [Member must satisfy enum value set: [DEFAULT, ALL, ",
        ),
        ("DetectFaces", {"Attributes": "ALL"}, " 'ALL'", "attributes", "Member must be a list"),
        (
            "DetectFaces",
            {"Attributes": [None]},
            " '[None]'",
            "attributes",
            "Member must satisfy constraint: [Member must not be null]",
        ),
        (
            "DetectFaces",
            {"Image": {"Bytes": ""}},
            "",
            "image.bytes",
            "Member must have length greater than or equal to 1",
        ),
        ("DetectFaces", {"Image": {"Bytes": "not base64!"}}, "", "image.bytes", NO_BASE64),
        ("DetectFaces", {"Image": {"Bytes": "QQ"}}, "", "image.bytes", NO_BASE64),
        ("DetectFaces", {"Image": {"Bytes": "QUJD="}}, "", "image.bytes", NO_BASE64),
        ("DetectFaces", {"Image": {"Bytes": "QUJD===="}}, "", "image.bytes", NO_BASE64),
        ("DetectFaces", {"Image": {"Bytes": "QQ==QUJD"}}, "", "image.bytes", NO_BASE64),
        ("DetectFaces", {"Image": {"Bytes": "QUJ\nDQUJE"}}, "", "image.bytes", NO_BASE64),
        ("DetectFaces", {"Image": {"Bytes": "QUé="}}, "", "image.bytes", NO_BASE64),
        ("DetectFaces", {"Image": {"Bytes": ["QQ=="]}}, "", "image.bytes", NO_BASE64),
        ("DetectFaces", {"Image": "QQ=="}, " 'QQ=='", "image", "Member must be a structure"),
        (
            "DetectFaces",
            {"Image": {"S3Object": {"Bucket": "ab", "Name": "n"}}},
            " 'ab'",
            "image.s3Object.bucket",
            "Member must have length greater than or equal to 3",
        ),
        (
            "DetectFaces",
            {"Image": {"S3Object": {"Bucket": "abc", "Name": "\ud800"}}},
            " '\ud800'",
            "image.s3Object.name",
            "Member must be Unicode text",
        ),
        ("DeleteFaces", {"FaceIds": []}, " '[]'", "faceIds", "Member must have length greater than or equal to 1"),
        (
            "DeleteFaces",
            {"FaceIds": ["é"]},
            " '[é]'",
            "faceIds",
            "Member must satisfy constraint: [Member must satisfy regular expression pattern: ",
        ),
        (
            "DeleteFaces",
            {"FaceIds": [FACE_ID] * 4097},
            f" '[{FACE_ID}, {FACE_ID[:25]}…'",
            "faceIds",
            "Member must have length less than or equal to 4096",
        ),
        (
            "CreateCollection",
            {"Tags": {"aws:x": "1"}},
            " '{aws:x=1}'",
            "tags",
            "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: ^(?!aws:)",
        ),
        (
            "CreateCollection",
            {"Tags": {"x": "<"}},
            " '{x=<}'",
            "tags",
            "Map value must satisfy constraint: [Member must satisfy regular expression pattern: ",
        ),
        (
            "CreateCollection",
            {"Tags": {f"{n:060}": "" for n in range(201)}},
            f" '{{{0:060}=, …'",
            "tags",
            "Member must have length less than or equal to 200",
        ),
        ("CreateCollection", {"Tags": ["x"]}, " '[x]'", "tags", "Member must be a map"),
    ],
)
def test_a_violated_constraint_is_named_as_aws_names_it(
    operation: str, changed: dict[str, Any], value: str, path: str, constraint: str
) -> None:
    message = complaint(operation, {**VALID[operation], **changed})
    beginning = f"1 validation error detected: Value{value} at '{path}' failed to satisfy constraint: {constraint}"
    assert message.startswith(beginning)


def test_all_violations_are_listed_and_counted() -> None:
    message = complaint("IndexFaces", {"CollectionId": "bad id", "Image": {"Bytes": JPEG}, "ExternalImageId": ""})
    assert message.startswith("3 validation errors detected: ")
    assert message.count("failed to satisfy constraint") == 3
    assert complaint("DescribeCollection", {}).startswith("1 validation error detected: ")


def test_a_photo_is_never_repeated_to_the_caller() -> None:
    photo = base64.b64encode(b"somebody's face" * 10).decode()
    message = complaint("CompareFaces", {"SourceImage": {"Bytes": photo + "="}, "TargetImage": {"Bytes": photo}})
    assert photo[:12] not in message


def test_how_large_a_photo_may_be_is_not_the_models_business() -> None:
    five_mib_and_one = base64.b64encode(bytes(5 * 1024 * 1024 + 1)).decode()
    assert len(read("DetectFaces", {"Image": {"Bytes": five_mib_and_one}})["Image"]["Bytes"]) == 5 * 1024 * 1024 + 1


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"text"',
        b"5",
        b"null",
        b"\xff\xfe{}",
        b'{"CollectionId": "\xff"}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b"\x00",
        b'{"a": "\x00"}',
        b"\xef\xbb\xbf{}",
        b'{"a": ' + b"9" * 5000 + b"}",
        b"{'CollectionId': 'a'}",
    ],
)
def test_what_is_no_json_object_in_utf8_is_a_serialization_exception(body: bytes) -> None:
    with pytest.raises(SerializationException):
        read_request(body, operation_model("DescribeCollection").input_shape)


@pytest.mark.parametrize("body", [b'{"a":' + b"[" * 100_000, b'{"a":' * 100_000, b"[" * 17 + b"]" * 17])
def test_deep_json_is_refused_before_it_is_parsed(body: bytes) -> None:
    with pytest.raises(SerializationException, match=r"deep|parts"):
        read_request(body, operation_model("DescribeCollection").input_shape)


def test_json_of_very_many_parts_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation.json, "loads", lambda *_, **__: pytest.fail("it was parsed"))
    with pytest.raises(SerializationException, match="more than 50000 parts"):
        read_request(b'{"a":[' + b"1," * 60_000 + b"1]}", operation_model("DescribeCollection").input_shape)


@pytest.mark.parametrize("text", ['[[["', '\\"[[[', "\\", '"', '\\\\"', "]]]}}}"])
def test_brackets_and_quotes_within_strings_are_no_depth(text: str) -> None:
    body = json.dumps({"CollectionId": "a", "Other": text * 20}).encode()
    assert read_request(body, operation_model("DescribeCollection").input_shape) == {"CollectionId": "a"}


def test_an_empty_body_is_an_empty_request() -> None:
    assert read_request(b"", operation_model("ListCollections").input_shape) == {}


@settings(max_examples=300)
@given(operation=st.sampled_from(sorted(OPERATIONS)), data=st.data())
def test_no_json_object_gets_past_or_breaks_the_validation(operation: str, data: st.DataObject) -> None:
    shape = operation_model(operation).input_shape
    assert isinstance(shape, StructureShape)
    document = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(shape.members, json_values)))
    try:
        request = read_request(json.dumps(document, allow_nan=False).encode(), shape)
    except (InvalidParameter, SerializationException, ValueError):
        return
    _assert_valid(request, shape)


def _assert_valid(value: Any, shape: Shape) -> None:
    """An independent, shorter reading of the model."""
    if isinstance(shape, StructureShape):
        assert set(shape.required_members) <= set(value) <= set(shape.members)
        for name, member in value.items():
            _assert_valid(member, shape.members[name])
    elif isinstance(shape, ListShape):
        for item in value:
            _assert_valid(item, shape.member)
    elif isinstance(shape, MapShape):
        assert all(isinstance(key, str) for key in value)
    elif shape.type_name == "string":
        assert isinstance(value, str)
        assert not shape.enum or value in shape.enum
    elif shape.type_name == "blob":
        assert isinstance(value, bytes)
    else:
        assert isinstance(value, int | float)
        assert shape.metadata.get("min", value) <= value <= shape.metadata.get("max", value)


def test_every_pattern_of_the_model_can_be_read_and_none_mixes_unicode_and_ascii_classes() -> None:
    shapes = map(service_model().shape_for, service_model().shape_names)
    patterns = {shape.metadata["pattern"] for shape in shapes if "pattern" in shape.metadata}
    assert len(patterns) > 20
    for expression in patterns:
        pattern(expression)
        assert not (r"\p{" in expression and any(escape in expression for escape in (r"\d", r"\w", r"\s", r"\S")))
