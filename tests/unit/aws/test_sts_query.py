"""Forms read into what they spell out, with botocore's own serializer as the oracle."""

from __future__ import annotations

import urllib.parse
from typing import Any

import pytest
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as st

from countenance.aws.sts.model import API_VERSION, operation_model
from countenance.aws.sts.query import MAX_FIELDS, parse_form, read_form
from countenance.errors import InvalidParameter

ROLE = "arn:aws:iam::000000000000:role/found-children/examiner"
ASSUMED = {"RoleArn": ROLE, "RoleSessionName": "night-shift"}


def sent(operation: str, **parameters: Any) -> bytes:
    """The body that botocore writes."""
    written = create_serializer("query").serialize_to_request(parameters, operation_model(operation))["body"]
    return urllib.parse.urlencode(written).encode()


def read(body: bytes, operation: str = "AssumeRole") -> dict[str, Any]:
    return read_form(parse_form(body), operation_model(operation).input_shape)


def form(**fields: Any) -> bytes:
    """A form made by hand; __ is a dot."""
    return urllib.parse.urlencode({**ASSUMED, **{n.replace("__", "."): v for n, v in fields.items()}}).encode()


def complaint(body: bytes, operation: str = "AssumeRole") -> str:
    with pytest.raises(InvalidParameter) as refused:
        read(body, operation)
    return refused.value.message


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"DurationSeconds": 900},
        {"Tags": []},
        {"Tags": [{"Key": "purpose", "Value": "missing_child"}, {"Key": "case", "Value": "NCMEC 2026/117"}]},
        {"Tags": [{"Key": f"key{n}", "Value": ""} for n in range(50)]},
        {"Tags": [{"Key": "case", "Value": "Straße + 5 = 日本"}], "TransitiveTagKeys": ["case"]},
        {"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}], "ExternalId": "x:y"},
    ],
)
def test_what_botocore_writes_is_read_as_it_was_meant(parameters: dict[str, Any]) -> None:
    assert read(sent("AssumeRole", **ASSUMED, **parameters)) == {**ASSUMED, **parameters}


@given(values=st.lists(st.from_regex(r"[\w .:/=+@-]{0,40}", fullmatch=True), max_size=20))
def test_any_tags_come_back_in_their_order(values: list[str]) -> None:
    tags = [{"Key": f"k{n}", "Value": value} for n, value in enumerate(values)]
    assert read(sent("AssumeRole", **ASSUMED, Tags=tags))["Tags"] == tags


def test_the_operation_and_its_version_are_no_parameters() -> None:
    fields = parse_form(sent("GetCallerIdentity"))
    assert fields == {"Action": "GetCallerIdentity", "Version": API_VERSION}
    assert read_form(fields, operation_model("GetCallerIdentity").input_shape) == {}
    assert parse_form(b"") == {}


@pytest.mark.parametrize(
    ("parameters", "constraint"),
    [
        ({"RoleArn": "x"}, "Value 'x' at 'roleArn' failed to satisfy constraint: Member must have length greater than"),
        ({"RoleSessionName": "no spaces"}, "Member must satisfy regular expression pattern"),
        ({"DurationSeconds": 899}, "Member must have value greater than or equal to 900"),
        ({"DurationSeconds": 43201}, "Member must have value less than or equal to 43200"),
        ({"DurationSeconds": "an hour"}, "Value 'an hour' at 'durationSeconds' failed to satisfy constraint"),
        ({"DurationSeconds": ""}, "Member must be an integer"),
        ({"DurationSeconds": "9" * 30}, "Member must be an integer"),
        ({"Tags__member__1__Key": "case"}, "'tags.1.member.value' failed to satisfy constraint: Member must not be"),
        ({"Tags__member__1__Key": "", "Tags__member__1__Value": "x"}, "at 'tags.1.member.key'"),
        ({"Tags__member__1__Key": "case", "Tags__member__1__Value": "x" * 257}, "less than or equal to 256"),
        ({"Tags__member__1__Key": "case", "Tags__member__1__Value": "<script>"}, "regular expression pattern"),
    ],
)
def test_what_violates_the_model_is_told_as_aws_tells_it(parameters: dict[str, Any], constraint: str) -> None:
    assert constraint in complaint(form(**parameters))


def test_everything_wrong_is_told_at_once() -> None:
    assert complaint(b"DurationSeconds=1").startswith("3 validation errors detected: ")


@pytest.mark.parametrize(
    "name",
    [
        "Polcy",
        "policy",
        "RoleArn.member.1",
        "Tags.1.Key",
        "Tags.member.1",
        "Tags.member.01.Key",
        "Tags.member.0.Key",
        "Tags.member.-1.Key",
        "Tags.member.²..Key",
        "Tags.member.1.Key.x",
        "Tags.member.1.Restriction",
        "Tags.member",
        "TransitiveTagKeys.member.1.x",
        ".",
        "",
        "a." * 300,
        "DurationSeconds.x",
    ],
)
def test_a_parameter_that_is_not_understood_is_never_ignored(name: str) -> None:
    body = urllib.parse.urlencode({"RoleSessionName": "night-shift", name: "x"}).encode()
    assert complaint(body).startswith("The request has a parameter that this operation does not")


def test_one_name_cannot_be_a_value_and_a_structure() -> None:
    assert "Tags" in complaint(form(Tags="x", Tags__member__1__Key="case"))
    assert "Tags" in complaint(form(Tags__member__1__Key="case", Tags="x"))
    assert "Tags" in complaint(form(Tags="x"))


def test_an_operation_without_parameters_has_none() -> None:
    assert "RoleArn" in complaint(form(), "GetCallerIdentity")


def test_members_are_numbered_without_gaps() -> None:
    body = form(Tags__member__1__Key="case", Tags__member__1__Value="a", Tags__member__3__Key="purpose")
    assert complaint(body) == "The members of Tags must be numbered from 1 on, without gaps."


@pytest.mark.parametrize(
    "body",
    [
        b"RoleArn=a&RoleArn=b",
        b"RoleArn",
        b"&",
        b"=",
        b"{}",
        b"\xff=1",
        b"a=%ff",
        b"a=%ed%a0%80",
        b"&".join(b"a%d=1" % n for n in range(MAX_FIELDS + 1)),
    ],
)
def test_what_is_no_form_is_refused(body: bytes) -> None:
    complaint(body)


@given(body=st.binary(max_size=200))
def test_no_body_is_too_strange_to_be_refused(body: bytes) -> None:
    with pytest.raises(InvalidParameter):
        read(body)


names = st.lists(st.sampled_from(["Tags", "member", "1", "2", "Key", "Value", "RoleArn", "", "x"]), max_size=9)


@given(fields=st.dictionaries(names.map(".".join), st.text(max_size=5), max_size=6))
def test_no_form_is_too_strange_to_be_refused(fields: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter):
        read(urllib.parse.urlencode(fields).encode())
