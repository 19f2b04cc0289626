"""Sessions: begun by the clients people use, and good for what they were begun for and nothing else."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from countenance.aws.replays import TWIN_SECONDS
from countenance.storage import sessions
from countenance.storage.keys import KEY_BYTES, SealingKey
from tests.acceptance.conftest import Server
from tests.acceptance.test_javascript import HERE as JAVASCRIPT
from tests.acceptance.test_javascript import node
from tests.acceptance.test_purpose_over_aws import countenance

if TYPE_CHECKING:
    from types_boto3_rekognition import RekognitionClient

__all__ = ["node"]

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/operator/examiner"
PHOTO_LIBRARY = [{"Key": "purpose", "Value": "photo_library"}, {"Key": "case", "Value": "album 2026/117"}]
RECEIPT = "x-countenance-receipt"
SECONDS = 60
# Entries are published about every second.
PUBLISHED_SECONDS = 30


@dataclass(frozen=True)
class Key:
    """What a client signs with."""

    access_key_id: str
    secret: str
    token: str | None = None

    @classmethod
    def of(cls, assumed: dict[str, Any]) -> Key:
        """The temporary credentials that AssumeRole answered."""
        given = assumed["Credentials"]
        return cls(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


class Clients:
    """boto3 clients of the server with any key."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.operator = Key(server.access_key_id, server.secret_access_key)

    def sts(self, key: Key | None = None, **config: Any) -> BaseClient:
        return self._client("sts", key or self.operator, **config)

    def rekognition(self, key: Key) -> RekognitionClient:
        client: RekognitionClient = self._client("rekognition", key)
        return client

    def assume(self, **more: Any) -> Key:
        """A session of the operator."""
        given = {"RoleArn": ROLE, "RoleSessionName": "night-shift", "Tags": PHOTO_LIBRARY, **more}
        return Key.of(self.sts().assume_role(**given))

    def _client(self, service: str, key: Key, **config: Any) -> Any:
        session = boto3.Session(key.access_key_id, key.secret, key.token)
        settings = Config(**{"region_name": self._server.region, **config})
        return session.client(service, endpoint_url=self._server.endpoint_url, config=settings)


@pytest.fixture(scope="module")
def clients(server: Server) -> Clients:
    return Clients(server)


@pytest.fixture(scope="module")
def session(clients: Clients) -> Key:
    """A session that lasts for all tests here."""
    return clients.assume()


@pytest.fixture(scope="module")
def sealing_key(server: Server) -> SealingKey:
    """The key of the server, which lies in its data folder."""
    return SealingKey.open(server.data / "secrets.key")


def refused(call: Any, **parameters: Any) -> tuple[int, str, str]:
    """The status, the code and the message of the error that a call must raise."""
    with pytest.raises(ClientError) as error:
        call(**parameters)
    response = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


class TestBeginning:
    def test_a_role_is_assumed_and_used(self, clients: Clients, collection: str) -> None:
        before = time.time()
        assumed = clients.sts().assume_role(RoleArn=ROLE, RoleSessionName="night-shift", Tags=PHOTO_LIBRARY)
        given, user = assumed["Credentials"], assumed["AssumedRoleUser"]
        assert given["AccessKeyId"].startswith("ASIA")
        assert len(given["SessionToken"]) <= 4096
        assert before + 3590 < given["Expiration"].timestamp() < time.time() + 3601
        assert user["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/examiner/night-shift"
        assert user["AssumedRoleId"].endswith(":night-shift")
        assert (
            assumed["ResponseMetadata"]["RequestId"] == assumed["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
        )
        rekognition = clients.rekognition(Key.of(assumed))
        assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 0

    def test_a_session_knows_who_it_is(self, clients: Clients, session: Key) -> None:
        identity = clients.sts(session).get_caller_identity()
        assert identity["Account"] == ACCOUNT
        assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/examiner/night-shift"
        assert identity["UserId"].endswith(":night-shift")

    def test_a_key_knows_whose_it_is(self, clients: Clients) -> None:
        identity = clients.sts().get_caller_identity()
        assert identity["Account"] == ACCOUNT
        assert identity["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/operator/operator"
        assert identity["UserId"]

    @pytest.mark.parametrize("seconds", [900, 43200])
    def test_it_lasts_as_long_as_was_asked(self, clients: Clients, seconds: int) -> None:
        assumed = clients.sts().assume_role(RoleArn=ROLE, RoleSessionName="short", DurationSeconds=seconds)
        lasts = assumed["Credentials"]["Expiration"].timestamp() - time.time()
        assert seconds - 30 < lasts <= seconds + 1

    def test_without_tags_it_says_what_the_key_says(self, clients: Clients) -> None:
        assumed = clients.sts().assume_role(RoleArn=ROLE, RoleSessionName="plain")
        assert clients.rekognition(Key.of(assumed)).list_collections()["ResponseMetadata"]["HTTPStatusCode"] == 200

    def test_no_two_sessions_are_the_same(self, clients: Clients) -> None:
        begun = [clients.assume() for _ in range(3)]
        assert len({key.access_key_id for key in begun}) == len({key.token for key in begun}) == 3


class TestRefusals:
    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"Tags": [{"Key": "colour", "Value": "red"}]}, "There is no session tag colour: a session has purpose, "),
            ({"Tags": [{"Key": "case", "Value": ""}]}, "The session tag case is empty"),
            ({"Tags": [{"Key": "case", "Value": "a"}] * 2}, "The session tag case is given more than once."),
            ({"DurationSeconds": 899}, "1 validation error detected: Value '899' at 'durationSeconds' failed to"),
            ({"DurationSeconds": 43201}, "1 validation error detected: Value '43201' at 'durationSeconds'"),
            ({"RoleSessionName": "no spaces"}, "1 validation error detected: Value 'no spaces' at 'roleSessionName'"),
            ({"RoleSessionName": "bell\x07\0"}, "1 validation error detected: Value 'bell"),
            ({"Policy": '{"Version":"2012-10-17"}'}, "Policy is not offered by this server."),
            ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]}, "PolicyArns is not offered"),
            ({"TransitiveTagKeys": ["case"]}, "TransitiveTagKeys is not offered"),
            ({"ExternalId": "external"}, "ExternalId is not offered"),
            ({"SerialNumber": "GAHT12345678", "TokenCode": "123456"}, "SerialNumber is not offered"),
            ({"SourceIdentity": "somebody"}, "SourceIdentity is not offered"),
            ({"RoleArn": "arn:aws:iam::000000000000:user/operator"}, ""),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_what_cannot_be_kept_is_not_begun(self, clients: Clients, changed: dict[str, Any], message: str) -> None:
        sts = clients.sts(parameter_validation=False)
        status, code, said = refused(sts.assume_role, **{"RoleArn": ROLE, "RoleSessionName": "night-shift", **changed})
        assert (status, code) == (400, "ValidationError")
        assert said.startswith(message)

    @pytest.mark.parametrize(
        "role",
        [
            f"arn:aws:iam::{ACCOUNT}:role/nobody-at-all/examiner",
            f"arn:aws:iam::{ACCOUNT}:role/o-{'0' * 32}/examiner",
            f"arn:aws:iam::{ACCOUNT}:role/operator/emperor",
            "arn:aws:iam::111111111111:role/operator/examiner",
        ],
    )
    def test_a_role_that_is_nowhere_is_denied(self, clients: Clients, role: str) -> None:
        status, code, said = refused(clients.sts().assume_role, RoleArn=role, RoleSessionName="night-shift")
        assert (status, code) == (403, "AccessDenied")
        assert said

    def test_a_purpose_is_a_word_of_the_list(self, clients: Clients) -> None:
        tags = [{"Key": "purpose", "Value": "curiosity"}]
        status, code, said = refused(clients.sts().assume_role, RoleArn=ROLE, RoleSessionName="ab", Tags=tags)
        assert (status, code) == (400, "ValidationError")
        assert "missing_child" in said

    @pytest.mark.parametrize("key", ["authorization", "beneficiary"])
    def test_what_a_session_names_must_be_there(self, clients: Clients, key: str) -> None:
        tags = [{"Key": key, "Value": "nobody at all"}]
        status, code, _ = refused(clients.sts().assume_role, RoleArn=ROLE, RoleSessionName="ab", Tags=tags)
        assert (status, code) in {(400, "ValidationError"), (403, "AccessDenied")}

    @pytest.mark.parametrize(
        ("operation", "parameters"),
        [
            ("get_session_token", {}),
            ("get_federation_token", {"Name": "somebody"}),
            ("get_access_key_info", {"AccessKeyId": "AKIAEXAMPLE00000000000"}),
            ("decode_authorization_message", {"EncodedMessage": "x"}),
        ],
    )
    def test_other_operations_are_denied_with_a_reason(
        self, clients: Clients, operation: str, parameters: dict[str, Any]
    ) -> None:
        status, code, said = refused(getattr(clients.sts(), operation), **parameters)
        assert (status, code) == (403, "AccessDenied")
        assert "is not offered by this server: " in said

    def test_a_session_begins_no_other_session(self, clients: Clients, session: Key) -> None:
        status, code, said = refused(clients.sts(session).assume_role, RoleArn=ROLE, RoleSessionName="chain")
        assert (status, code) == (403, "AccessDenied")
        assert said == "A session begins no other session: sign AssumeRole with the access key."

    def test_another_secret_is_refused(self, clients: Clients) -> None:
        wrong = replace(clients.operator, secret="another")
        assert refused(clients.sts(wrong).get_caller_identity)[:2] == (403, "SignatureDoesNotMatch")

    def test_an_unknown_key_is_refused(self, clients: Clients) -> None:
        unknown = replace(clients.operator, access_key_id="AKIAUNKNOWN")
        assert refused(clients.sts(unknown).get_caller_identity)[:2] == (403, "InvalidClientTokenId")

    def test_another_region_is_refused_with_the_name_of_ours(self, clients: Clients) -> None:
        status, code, said = refused(clients.sts(region_name="eu-west-1").get_caller_identity)
        assert (status, code) == (403, "SignatureDoesNotMatch")
        assert "valid region: 'us-east-1'" in said


class TestTokens:
    """For both services: each has its own words for the same."""

    @pytest.fixture(params=["rekognition", "sts"])
    def answered(self, request: pytest.FixtureRequest, clients: Clients) -> Any:
        """Calls with a key, and says with which status and code it was refused."""

        def call(key: Key) -> tuple[int, str]:
            if request.param == "sts":
                return refused(clients.sts(key).get_caller_identity)[:2]
            return refused(clients.rekognition(key).list_collections)[:2]

        call.service = request.param  # type: ignore[attr-defined]
        return call

    def unrecognized(self, answered: Any) -> tuple[int, str]:
        sts = answered.service == "sts"
        return (403, "InvalidClientTokenId") if sts else (400, "UnrecognizedClientException")

    def begin(self, clients: Clients, now: float, parent: str | None = None) -> sessions.Session:
        return sessions.begin(
            parent=parent or clients.operator.access_key_id,
            role="examiner",
            name="night-shift",
            purpose="photo_library",
            case=None,
            authorization=None,
            beneficiary=None,
            now=now,
            duration_seconds=900,
        )

    def key(self, clients: Clients, session: sessions.Session, sealing_key: SealingKey) -> Key:
        token = sessions.seal(session, sealing_key)
        return Key(session.access_key_id, sessions.secret(token, clients.operator.secret), token)

    def test_a_session_sealed_as_the_server_seals_is_known(self, clients: Clients, sealing_key: SealingKey) -> None:
        """What shows that the refusals below are for what they say."""
        key = self.key(clients, self.begin(clients, time.time()), sealing_key)
        assert clients.rekognition(key).list_collections()["ResponseMetadata"]["HTTPStatusCode"] == 200

    def test_an_expired_session_is_told_so(self, clients: Clients, sealing_key: SealingKey, answered: Any) -> None:
        key = self.key(clients, self.begin(clients, time.time() - 901), sealing_key)
        assert answered(key) == (403 if answered.service == "sts" else 400, "ExpiredTokenException")

    @pytest.mark.parametrize("place", [0, 20, -3])
    def test_a_tampered_token_is_refused(self, session: Key, answered: Any, place: int) -> None:
        assert session.token is not None
        token = list(session.token)
        token[place] = "A" if token[place] != "A" else "B"
        assert answered(replace(session, token="".join(token))) == self.unrecognized(answered)

    def test_a_token_of_another_server_is_refused(self, clients: Clients, answered: Any) -> None:
        key = self.key(clients, self.begin(clients, time.time()), SealingKey(b"\x01" * KEY_BYTES))
        assert answered(key) == self.unrecognized(answered)

    def test_a_token_of_another_session_is_refused(self, clients: Clients, session: Key, answered: Any) -> None:
        assert answered(replace(session, token=clients.assume().token)) == self.unrecognized(answered)

    def test_a_session_without_its_token_is_refused(self, session: Key, answered: Any) -> None:
        assert answered(replace(session, token=None)) == self.unrecognized(answered)

    def test_an_access_key_with_a_token_is_refused(self, clients: Clients, session: Key, answered: Any) -> None:
        assert answered(replace(clients.operator, token=session.token)) == self.unrecognized(answered)
        assert answered(replace(clients.operator, token="x" * 5000)) == self.unrecognized(answered)

    def test_a_session_of_an_unknown_key_is_refused(
        self, clients: Clients, sealing_key: SealingKey, answered: Any
    ) -> None:
        key = self.key(clients, self.begin(clients, time.time(), "AKIAUNKNOWN"), sealing_key)
        assert answered(key) == self.unrecognized(answered)

    def test_the_secret_of_the_parent_signs_for_no_session(self, clients: Clients, session: Key, answered: Any) -> None:
        status, code = answered(replace(session, secret=clients.operator.secret))
        assert code == ("SignatureDoesNotMatch" if answered.service == "sts" else "InvalidSignatureException")
        assert status == (403 if answered.service == "sts" else 400)


class TestReceipts:
    """Every answer and every denial names its entry in the ledger, which says what the session said."""

    @pytest.fixture
    def entry(self, server: Server, tmp_path: Path) -> Callable[[int], dict[str, Any]]:
        """An entry of the ledger, proven."""

        def prove(index: int) -> dict[str, Any]:
            until = time.monotonic() + PUBLISHED_SECONDS
            while True:
                try:
                    proof = countenance(server, "ledger", "prove", str(index), "--out", str(tmp_path / "receipt"))
                    found: dict[str, Any] = proof["entry"]
                    return found
                except AssertionError:
                    if time.monotonic() > until:
                        raise

        return prove

    def test_a_use_stands_in_the_ledger_with_the_purpose_and_the_case_of_its_session(
        self, clients: Clients, entry: Callable[[int], dict[str, Any]]
    ) -> None:
        tags = [{"Key": "purpose", "Value": "bias_test"}, {"Key": "case", "Value": "a case of ours"}]
        session = clients.assume(Tags=tags)
        receipt = receipt_of(clients.sts(session).get_caller_identity())
        outcome = entry(receipt)
        assert outcome["kind"] == "outcome"
        before = [entry(index) for index in range(receipt - 2, receipt)]
        intent = next(one for one in before if one["use"] == outcome["use"] and one["kind"] == "intent")
        assert intent["action"] == "GetCallerIdentity"
        assert intent["purpose"] == "bias_test"
        assert intent["actor"]["credential"] == "session"
        assert intent["actor"]["role"] == "examiner"
        assert re.fullmatch(r"[0-9a-f]{64}", intent["case"])
        assert "a case of ours" not in json.dumps(before)

    def test_each_call_has_a_receipt_of_its_own(self, clients: Clients, session: Key) -> None:
        rekognition = clients.rekognition(session)
        first, second = (receipt_of(rekognition.list_collections()) for _ in range(2))
        assert first < second
        assert receipt_of(clients.sts().assume_role(RoleArn=ROLE, RoleSessionName="ab")) > second

    def test_a_denial_has_one_too(
        self, server: Server, clients: Clients, portraits: dict[str, Path], entry: Callable[[int], dict[str, Any]]
    ) -> None:
        countenance(server, "organization", "create", "Sheriff", "--kind", "law_enforcement")
        countenance(server, "principal", "create", "Bo", "--organization", "Sheriff", "--trained-until", "2100-01-01")
        given = countenance(server, "keys", "create", "--principal", "Bo", "--purpose", "criminal_investigation")
        key = Key(given["aws_access_key_id"], given["aws_secret_access_key"])
        assumed = clients.sts(key).assume_role(
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/sheriff/examiner",
            RoleSessionName="patrol",
            Tags=[{"Key": "case", "Value": "B-17"}],
        )
        photo = {"Bytes": portraits["obama.jpg"].read_bytes()}
        with pytest.raises(ClientError) as error:
            clients.rekognition(Key.of(assumed)).compare_faces(SourceImage=photo, TargetImage=photo)
        assert error.value.response["Error"]["Code"] == "AccessDeniedException"
        decision = entry(receipt_of(error.value.response))
        assert (decision["kind"], decision["effect"]) == ("decision", "deny")
        assert decision["policies"]

    def test_a_refusal_within_a_use_has_one_and_one_before_it_has_none(self, clients: Clients, session: Key) -> None:
        with pytest.raises(ClientError) as error:
            clients.rekognition(session).describe_collection(CollectionId="nowhere")
        assert receipt_of(error.value.response) > 0
        with pytest.raises(ClientError) as error:
            clients.sts(session, parameter_validation=False).assume_role()
        assert RECEIPT not in error.value.response["ResponseMetadata"]["HTTPHeaders"]


def receipt_of(answer: Any) -> int:
    """The number of the entry that an answer or an error names."""
    return int(answer["ResponseMetadata"]["HTTPHeaders"][RECEIPT])


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def text(self, name: str) -> str:
        """What an element of the XML says."""
        root = ElementTree.fromstring(self.body)
        return str(next(element.text for element in root.iter() if element.tag.rpartition("}")[2] == name))


class Wire:
    """Sends forms made by hand."""

    def __init__(self, server: Server, key: Key) -> None:
        self._server = server
        self._key = key

    def headers(self, body: bytes, *, service: str = "sts", key: Key | None = None, **more: str) -> dict[str, str]:
        """Headers that botocore signs for this body."""
        key = key or self._key
        url = f"{self._server.endpoint_url}/"
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "Host": self._server.host,
            **more,
        }
        request = AWSRequest(method="POST", url=url, headers=headers, data=body)
        SigV4Auth(Credentials(key.access_key_id, key.secret, key.token), service, self._server.region).add_auth(request)
        return dict(request.headers.items())

    def send(self, body: bytes, headers: dict[str, str] | None = None, path: str = "/") -> Answer:
        connection = http.client.HTTPConnection(self._server.host, timeout=SECONDS)
        try:
            connection.request("POST", path, body, self.headers(body) if headers is None else headers)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()


@pytest.fixture(scope="module")
def wire(server: Server, clients: Clients) -> Wire:
    return Wire(server, clients.operator)


WHO = b"Action=GetCallerIdentity&Version=2011-06-15"


def assume_form(**parameters: str) -> bytes:
    fields = {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": ROLE, "RoleSessionName": "by-hand"}
    return urllib.parse.urlencode({**fields, **parameters}).encode()


@dataclass(frozen=True)
class Used:
    """A request that was sent once and answered, and when."""

    headers: dict[str, str]
    body: bytes
    at: float


@pytest.fixture(scope="module", autouse=True)
def used(wire: Wire) -> Used:
    """Sent before all other tests here, so that it is old by the time it is sent again."""
    body = assume_form()
    headers = wire.headers(body)
    assert wire.send(body, headers).status == 200
    return Used(headers, body, time.monotonic())


class TestForms:
    """What no SDK sends."""

    @pytest.fixture(autouse=True)
    def _still_serving(self, wire: Wire) -> Iterator[None]:
        """Whatever a test did to the server, it serves on."""
        yield
        assert wire.send(WHO).status == 200

    def test_a_request_made_by_hand_is_answered_like_any_other(self, wire: Wire) -> None:
        answer = wire.send(WHO)
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/xml")
        assert answer.text("RequestId") == answer.headers["x-amzn-requestid"]
        assert answer.text("Account") == ACCOUNT

    def test_an_error_is_xml_with_the_request_id(self, wire: Wire) -> None:
        answer = wire.send(b"Action=Dance&Version=2011-06-15")
        assert (answer.status, answer.text("Code"), answer.text("Type")) == (400, "InvalidAction", "Sender")
        assert answer.text("Message") == "Could not find operation Dance for version 2011-06-15."
        assert answer.text("RequestId") == answer.headers["x-amzn-requestid"]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", "MissingAction"),
            (b"Version=2011-06-15", "MissingAction"),
            (b"Action=GetCallerIdentity", "InvalidAction"),
            (b"Action=GetCallerIdentity&Version=2012-10-17", "InvalidAction"),
            (b"Action=__init__&Version=2011-06-15", "InvalidAction"),
            (b"Action=GetSessionToken&Version=2011-06-15", "AccessDenied"),
            (WHO + b"&Action=AssumeRole", "ValidationError"),
            (WHO + b"&Extra=1", "ValidationError"),
            (b"{}", "ValidationError"),
            (b"\xff\xfe=\x00", "ValidationError"),
            (b"&".join([WHO, *(b"a%d=1" % n for n in range(2000))]), "ValidationError"),
            (assume_form(Polcy="x"), "ValidationError"),
            (assume_form(**{"Tags.member.1.Key.Key": "x"}), "ValidationError"),
            (assume_form(**{"Tags.member.1.Key": "case\0\x1b", "Tags.member.1.Value": "x"}), "ValidationError"),
        ],
        ids=range(14),
    )
    def test_what_is_no_request_is_refused(self, wire: Wire, body: bytes, code: str) -> None:
        answer = wire.send(body)
        assert (answer.status, answer.text("Code")) == (403 if code == "AccessDenied" else 400, code)

    def test_a_form_larger_than_any_request_is_refused(self, wire: Wire) -> None:
        answer = wire.send(WHO + b"&a=" + b"x" * 100_000)
        assert (answer.status, answer.text("Code")) == (413, "RequestEntityTooLarge")

    def test_without_a_signature_there_is_no_answer(self, wire: Wire) -> None:
        headers = wire.headers(WHO)
        del headers["Authorization"]
        answer = wire.send(WHO, headers)
        assert (answer.status, answer.text("Code")) == (403, "MissingAuthenticationToken")

    def test_half_a_signature_is_incomplete(self, wire: Wire) -> None:
        answer = wire.send(WHO, {**wire.headers(WHO), "Authorization": "AWS4-HMAC-SHA256 Credential=a"})
        assert (answer.status, answer.text("Code")) == (400, "IncompleteSignature")

    def test_a_tampered_form_is_refused(self, wire: Wire) -> None:
        answer = wire.send(assume_form(RoleSessionName="other"), wire.headers(assume_form()))
        assert (answer.status, answer.text("Code")) == (403, "SignatureDoesNotMatch")

    def test_what_is_signed_for_one_service_is_good_for_no_other(self, wire: Wire) -> None:
        answer = wire.send(WHO, wire.headers(WHO, service="rekognition"))
        assert (answer.status, answer.text("Code")) == (403, "SignatureDoesNotMatch")
        assert "correct service: 'sts'" in answer.text("Message")
        target = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "RekognitionService.ListCollections"}
        answer = wire.send(b"{}", wire.headers(b"{}", service="sts", **target))
        said = json.loads(answer.body)
        assert (answer.status, said["__type"]) == (400, "InvalidSignatureException")
        assert "correct service: 'rekognition'" in said["Message"]

    def test_a_security_token_must_be_signed(self, wire: Wire, session: Key) -> None:
        headers = wire.headers(WHO, key=replace(session, token=None))
        answer = wire.send(WHO, {**headers, "X-Amz-Security-Token": str(session.token)})
        assert (answer.status, answer.text("Code")) == (403, "SignatureDoesNotMatch")
        assert "must be signed: x-amz-security-token" in answer.text("Message")

    def test_a_presigned_url_is_refused(self, wire: Wire) -> None:
        answer = wire.send(WHO, path="/?X-Amz-Algorithm=AWS4-HMAC-SHA256")
        assert (answer.status, answer.text("Code")) == (400, "InvalidAction")
        assert "presigned" in answer.text("Message")

    def test_a_compressed_form_is_refused(self, wire: Wire) -> None:
        answer = wire.send(WHO, wire.headers(WHO, **{"Content-Encoding": "gzip"}))
        assert (answer.status, answer.text("Code")) == (400, "ValidationError")

    def test_a_captured_request_is_good_for_nothing_a_little_later(self, wire: Wire, used: Used) -> None:
        time.sleep(max(0.0, used.at + TWIN_SECONDS + 0.5 - time.monotonic()))
        answer = wire.send(used.body, used.headers)
        assert (answer.status, answer.text("Code")) == (403, "SignatureDoesNotMatch")
        assert "used before" in answer.text("Message")

    def test_a_page_in_a_browser_may_begin_a_session(self, wire: Wire) -> None:
        answer = wire.send(WHO, {**wire.headers(WHO), "Origin": "https://app.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        exposed = answer.headers["access-control-expose-headers"]
        for name in ("x-amzn-RequestId", "x-countenance-receipt", "x-countenance-review", "x-countenance-threshold"):
            assert name in exposed


def test_the_sdk_for_javascript_begins_sessions(server: Server, node: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [node, str(JAVASCRIPT / "session.mjs"), ROLE],
        env={**server.environment(tmp_path), "AWS_ENDPOINT_URL_STS": server.endpoint_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["expires"] is True
    assert report["role"] == report["identity"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/examiner/javascript"
    assert report["collections"] is True
    for refusal, status, name, message in [
        ("tag", 400, "ValidationError", "There is no session tag mood"),
        ("policy", 400, "ValidationError", "Policy is not offered by this server."),
        ("absent", 403, "AccessDenied", "GetSessionToken is not offered by this server"),
        ("token", 400, "UnrecognizedClientException", "The security token included in the request is invalid"),
    ]:
        error = report[refusal]
        assert (error["status"], error["name"], error["attempts"]) == (status, name, 1)
        assert error["message"].startswith(message)
        assert error["requestId"]


def test_the_log_has_no_token_and_no_secret(server: Server, session: Key) -> None:
    log = (server.data.parent / "log").read_text()
    assert session.token is not None
    assert session.token not in log
    assert session.secret not in log
    assert "album 2026/117" not in log
