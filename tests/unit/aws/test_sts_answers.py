"""XML that botocore's own parser reads back."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st

from countenance.aws.sts.answers import write_answer, write_error
from countenance.aws.sts.model import namespace, operation_model

NOW = 1_800_000_000.75


def parsed(content: bytes, operation: str = "AssumeRole", status: int = 200) -> dict[str, Any]:
    response = {"body": content, "headers": {}, "status_code": status}
    read: dict[str, Any] = create_parser("query").parse(response, operation_model(operation).output_shape)
    return read


def test_an_answer_is_read_as_it_was_meant() -> None:
    answer = {
        "Credentials": {
            "AccessKeyId": "ASIAEXAMPLE",
            "SecretAccessKey": "a/secret+=",
            "SessionToken": "a/token+==",
            "Expiration": NOW,
        },
        "AssumedRoleUser": {"AssumedRoleId": "ASIAEXAMPLE:night-shift", "Arn": "arn:aws:sts::0:assumed-role/a/b"},
        "PackedPolicySize": None,
    }
    content = write_answer(answer, operation_model("AssumeRole"), "id-1")
    read = parsed(content)
    assert read["Credentials"].pop("Expiration").isoformat() == "2027-01-15T08:00:00+00:00"
    assert read["Credentials"] == {
        "AccessKeyId": "ASIAEXAMPLE",
        "SecretAccessKey": "a/secret+=",
        "SessionToken": "a/token+==",
    }
    assert read["AssumedRoleUser"] == answer["AssumedRoleUser"]
    assert "PackedPolicySize" not in read
    assert read["ResponseMetadata"]["RequestId"] == "id-1"


def test_it_stands_in_stss_namespace() -> None:
    content = write_answer({"Account": "0"}, operation_model("GetCallerIdentity"), "id-1")
    assert content.startswith(b"<?xml version=")
    root = ElementTree.fromstring(content)
    assert {element.tag.partition("}")[0] for element in root.iter()} == {"{" + namespace()}
    assert root.tag.endswith("}GetCallerIdentityResponse")
    assert namespace() == "https://sts.amazonaws.com/doc/2011-06-15/"


def test_a_member_that_the_model_does_not_have_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="has no member Novelty"):
        write_answer({"Novelty": 1}, operation_model("GetCallerIdentity"), "id-1")


@pytest.mark.parametrize(("sender", "said"), [(True, "Sender"), (False, "Receiver")])
def test_an_error_is_read_as_it_was_meant(sender: bool, said: str) -> None:
    read = parsed(write_error("AccessDenied", 'No "<&>" here.', "id-1", sender=sender), status=403)
    assert read["Error"] == {"Type": said, "Code": "AccessDenied", "Message": 'No "<&>" here.'}
    assert read["ResponseMetadata"]["RequestId"] == "id-1"


@given(message=st.text())
def test_whatever_a_message_repeats_the_answer_is_xml(message: str) -> None:
    read = parsed(write_error("ValidationError", f"[{message}]", "id-1", sender=True), status=400)
    assert read["Error"]["Code"] == "ValidationError"


@pytest.mark.parametrize("character", ["\0", "\x0b", "\x1b", "\ufffe", "\ud800"])
def test_what_xml_cannot_say_is_replaced(character: str) -> None:
    read = parsed(write_error("ValidationError", f"a{character}b", "id-1", sender=True), status=400)
    assert read["Error"]["Message"] == "a\N{REPLACEMENT CHARACTER}b"
