"""What AssumeRole takes, what it refuses rather than ignores, and what is answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from countenance.aws.operations.calls import Call
from countenance.aws.sts.model import operation_model, operation_names
from countenance.aws.sts.operations import (
    ABSENT,
    DEFAULT_DURATION_SECONDS,
    NOT_HONOURED,
    OPERATIONS,
    SESSION_TAGS,
    not_offered,
)
from countenance.errors import InvalidParameter
from countenance.service.application import Application
from countenance.service.callers import Caller

CALLER = cast(Caller, SimpleNamespace(credential="access_key"))
ASSUMED = {
    "RoleArn": "arn:aws:iam::000000000000:role/found-children/examiner",
    "RoleSessionName": "night-shift",
}


@dataclass
class Sessions:
    """Answers what it is told to and remembers what it was asked."""

    asked: list[dict[str, Any]] = field(default_factory=list)

    def assume_role(self, caller: Caller, **asked: Any) -> Any:
        assert caller is CALLER
        self.asked.append(asked)
        return SimpleNamespace(
            access_key_id="ASIAEXAMPLE",
            secret="a secret",
            token="a token",
            expires_at=1_800_000_000.0,
            assumed_role_id="ASIAEXAMPLE:night-shift",
            arn="arn:aws:sts::000000000000:assumed-role/examiner/night-shift",
        )

    def identity(self, caller: Caller) -> Any:
        assert caller is CALLER
        return SimpleNamespace(user_id="AKIAEXAMPLE", account="000000000000", arn="arn:aws:iam::000000000000:user/a/b")


@pytest.fixture
def sessions() -> Sessions:
    return Sessions()


def call(sessions: Sessions, operation: str, caller: Caller = CALLER, **request: Any) -> dict[str, Any]:
    application = cast(Application, SimpleNamespace(sessions=sessions))
    return OPERATIONS[operation].handle(Call(application, caller, request))


def test_a_session_is_begun_with_what_its_tags_say(sessions: Sessions) -> None:
    tags = {"purpose": "missing_child", "case": "NCMEC 2026/117", "authorization": "a-1", "beneficiary": "Police"}
    sent = [{"Key": key, "Value": value} for key, value in tags.items()]
    answer = call(sessions, "AssumeRole", **ASSUMED, Tags=sent, DurationSeconds=900)
    assert sessions.asked == [
        {
            "role_arn": ASSUMED["RoleArn"],
            "session_name": "night-shift",
            "tags": tags,
            "duration_seconds": 900,
        }
    ]
    assert answer == {
        "Credentials": {
            "AccessKeyId": "ASIAEXAMPLE",
            "SecretAccessKey": "a secret",
            "SessionToken": "a token",
            "Expiration": 1_800_000_000.0,
        },
        "AssumedRoleUser": {
            "AssumedRoleId": "ASIAEXAMPLE:night-shift",
            "Arn": "arn:aws:sts::000000000000:assumed-role/examiner/night-shift",
        },
    }


def test_without_tags_and_duration_it_is_an_hour_for_nothing_in_particular(sessions: Sessions) -> None:
    call(sessions, "AssumeRole", **ASSUMED)
    assert sessions.asked[0]["tags"] == {}
    assert sessions.asked[0]["duration_seconds"] == DEFAULT_DURATION_SECONDS == 3600


def test_who_calls_is_told(sessions: Sessions) -> None:
    assert call(sessions, "GetCallerIdentity") == {
        "UserId": "AKIAEXAMPLE",
        "Account": "000000000000",
        "Arn": "arn:aws:iam::000000000000:user/a/b",
    }


@pytest.mark.parametrize(
    ("tags", "complaint"),
    [
        (
            [("colour", "red")],
            "There is no session tag colour: a session has purpose, case, authorization and beneficiary.",
        ),
        ([("Purpose", "missing_child")], "There is no session tag Purpose: "),
        ([("purpose", "missing_child")] * 2, "The session tag purpose is given more than once."),
        ([("case", "")], "The session tag case is empty: leave it out when there is nothing to say."),
        ([("case", " ")], "The session tag case is empty"),
    ],
)
def test_a_tag_that_says_nothing_here_is_refused(
    sessions: Sessions, tags: list[tuple[str, str]], complaint: str
) -> None:
    with pytest.raises(InvalidParameter) as refused:
        call(sessions, "AssumeRole", **ASSUMED, Tags=[{"Key": key, "Value": value} for key, value in tags])
    assert refused.value.message.startswith(complaint)
    assert sessions.asked == []


@pytest.mark.parametrize("parameter", NOT_HONOURED)
def test_a_restriction_is_refused_where_it_would_not_be_kept(sessions: Sessions, parameter: str) -> None:
    with pytest.raises(InvalidParameter, match=f"^{parameter} is not offered by this server. "):
        call(sessions, "AssumeRole", **ASSUMED, **{parameter: ["something"]})
    assert sessions.asked == []


@pytest.mark.parametrize("parameter", ["Tags", "TransitiveTagKeys", "PolicyArns"])
def test_a_list_of_nothing_restricts_nothing(sessions: Sessions, parameter: str) -> None:
    call(sessions, "AssumeRole", **ASSUMED, **{parameter: []})
    assert sessions.asked[0]["tags"] == {}


def test_every_parameter_of_assume_role_is_kept_or_refused() -> None:
    """One that botocore's model gains must be decided about before it is let through."""
    shape = operation_model("AssumeRole").input_shape
    assert shape is not None
    kept = {"RoleArn", "RoleSessionName", "Tags", "DurationSeconds"}
    assert set(shape.members) <= kept | set(NOT_HONOURED)


def test_every_operation_of_sts_works_or_has_a_reason_why_not() -> None:
    assert operation_names() <= set(OPERATIONS) | set(ABSENT)
    assert not set(OPERATIONS) & set(ABSENT)
    assert not_offered("GetSessionToken").message == (
        "GetSessionToken is not offered by this server: sessions are begun with AssumeRole, whose tags say what they "
        "are for."
    )
    assert "newer than this server" in not_offered("TomorrowsOperation").message


def test_the_tags_are_those_that_decisions_depend_on() -> None:
    assert SESSION_TAGS == ("purpose", "case", "authorization", "beneficiary")
