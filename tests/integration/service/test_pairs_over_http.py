"""Independent tests as a tester's program sends them: signed, bounded, and refused in the words of the rest."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from starlette.applications import Starlette
from structlog.testing import capture_logs

from countenance.fairness.testing.terms import MAX_PAIRS, MAX_PHOTOS, PATH
from countenance.ledger import entries
from countenance.policy.vocabulary import OrganizationKind, Purpose
from countenance.service.application import Application
from countenance.service.pins import Pins
from countenance.settings import Settings
from countenance.storage.keys import SigningKey
from countenance.vision.analysis import Vision
from countenance.web.app import create_app

HOST = "localhost:8750"
YEAR = datetime(2027, 1, 1, tzinfo=UTC)
PIXEL = base64.b64encode(b"GIF89a").decode()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: dict[str, Any]
    content: bytes


@dataclass(frozen=True)
class Door:
    """The app that is served, without a network."""

    app: Starlette
    portal: BlockingPortal
    keys: dict[str, SigningKey]

    def signed(self, body: bytes, key: str = "olu", path: str = PATH, **more: str) -> dict[str, str]:
        """Headers that botocore signs for this body."""
        signing = self.keys[key]
        headers = {"Content-Type": "application/json", "Host": HOST, "Content-Length": str(len(body))}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        request = AWSRequest(method="POST", url=f"http://{HOST}{path}", headers=headers, data=body)
        SigV4Auth(Credentials(signing.key.access_key_id, signing.secret), "rekognition", "us-east-1").add_auth(request)
        return {name.lower(): str(value) for name, value in request.headers.items()}

    def ask(
        self,
        request: object,
        key: str = "olu",
        *,
        headers: dict[str, str] | None = None,
        method: str = "POST",
        query: str = "",
    ) -> Answer:
        """What is answered to a request: an object to be sent as JSON, or a body."""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        sent: list[dict[str, Any]] = []
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        given = self.signed(body, key) if headers is None else headers
        scope = {
            "type": "http",
            "method": method,
            "path": PATH,
            "raw_path": PATH.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "scheme": "http",
            "server": ("localhost", 8750),
            "client": ("127.0.0.1", 50_000),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
        self.portal.call(self.app, scope, receive, send)
        start, *rest = sent
        found = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        content = b"".join(message.get("body", b"") for message in rest)
        return Answer(start["status"], found, json.loads(content), content)

    def refused(self, request: object, key: str = "olu", **how: Any) -> tuple[int, str, str]:
        """The status, the exception and the sentence; the answer is told as Rekognition's are."""
        answer = self.ask(request, key, **how)
        code, message = str(answer.body["Code"]), str(answer.body["Message"])
        assert answer.body["__type"] == code == answer.headers["x-amzn-errortype"]
        assert answer.body["Logref"] == answer.headers["x-amzn-requestid"]
        return answer.status, code, message


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Application]:
    application = Application(Settings(data=tmp_path_factory.mktemp("door") / "data", model_store=models))
    yield application
    application.close()


@pytest.fixture(scope="module")
def door(application: Application) -> Iterator[Door]:
    """With keys: of an ombudsman for tests and for oversight, of the police for tests, and the operator's own."""
    operator, organizations = application.locals.caller(), application.organizations
    organizations.create(operator, "ombudsman", OrganizationKind.OVERSIGHT)
    organizations.create(operator, "police", OrganizationKind.LAW_ENFORCEMENT)
    organizations.create_principal(operator, "olu", "ombudsman", trained_until=YEAR)
    organizations.create_principal(operator, "sam", "police", trained_until=YEAR)
    keys = {
        name: application.keys.create(operator, principal, purpose=purpose)
        for name, principal, purpose in (
            ("olu", "olu", Purpose.BIAS_TEST),
            ("olu overseeing", "olu", Purpose.OVERSIGHT),
            ("sam", "sam", Purpose.BIAS_TEST),
            ("operator", "operator", Purpose.PHOTO_LIBRARY),
        )
    }
    with start_blocking_portal() as portal:
        yield Door(create_app(application, application.settings), portal, keys)


@pytest.fixture(scope="module")
def encoded(portraits: dict[str, Path]) -> Callable[[str], dict[str, str]]:
    return lambda name: {"Bytes": base64.b64encode(portraits[name].read_bytes()).decode()}


def pair_of(left: object = 0, right: object = 1, **more: object) -> dict[str, object]:
    """A request that is in order but for its photos, which are no photos."""
    return {"Photos": [{"Bytes": PIXEL}] * 2, "Pairs": [{"Left": left, "Right": right}], **more}


def test_a_signed_request_is_answered_with_scores_pins_and_a_receipt(
    door: Door, application: Application, encoded: Callable[[str], dict[str, str]]
) -> None:
    request = {
        "Photos": [encoded("obama.jpg"), encoded("obama2.jpg"), encoded("coffee.png")],
        "Pairs": [{"Left": 0, "Right": 1}, {"Left": 1, "Right": 2}],
        "FaceModelVersion": application.vision.face_model_version,
    }
    answer = door.ask(request)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    model = Pins(application.settings).model(application.vision.face_model_version)
    assert answer.body["Model"] == {
        "FaceModelVersion": model.face_model_version,
        "Files": list(model.files),
        "Calibration": model.calibration,
    }
    assert [photo["Faces"] for photo in answer.body["Photos"]] == [1, 1, 0]
    assert answer.body["Photos"][2]["FailureToEnrol"] == {"Code": "NO_FACE", "Message": "No face was found."}
    mated, failed = answer.body["Pairs"]
    assert mated["Similarity"] > 99
    assert 0.5 < mated["Cosine"] < 1
    assert failed == {"Left": 1, "Right": 2, "Cosine": None, "Similarity": None}
    assert set(answer.body) == {"Model", "Photos", "Pairs", "Nonce"}
    outcome = entries.read(application.ledger.entry(int(answer.headers["x-countenance-receipt"])))
    assert isinstance(outcome, entries.Outcome)
    assert outcome.answer == hashlib.sha256(answer.content).hexdigest()


class TestWhoMayNot:
    @pytest.mark.parametrize(
        ("key", "policy"),
        [("olu overseeing", "test.purpose"), ("sam", "test.beneficiary"), ("operator", "test.purpose")],
    )
    def test_a_key_for_something_else_is_denied_with_a_receipt_of_the_denial(
        self, key: str, policy: str, door: Door
    ) -> None:
        answer = door.ask(pair_of(), key)
        assert (answer.status, answer.body["Code"]) == (400, "AccessDeniedException")
        assert answer.body["Message"].startswith("TestPairs is denied. ")
        assert f"(base: {policy})" in answer.body["Message"]
        assert answer.headers["x-countenance-receipt"].isdecimal()

    def test_without_a_signature_nothing_is_answered(self, door: Door) -> None:
        headers = {"content-type": "application/json", "host": HOST}
        assert door.refused(pair_of(), headers=headers) == (
            400,
            "MissingAuthenticationTokenException",
            "The request has no Authorization header. Sign it with Signature Version 4.",
        )

    @pytest.mark.parametrize("wrong", ["body", "path", "secret"])
    def test_a_signature_for_something_else_is_refused(self, wrong: str, door: Door) -> None:
        """For another body; for Rekognition's own path, which a captured call would carry; by another's secret."""
        body = json.dumps(pair_of()).encode()
        headers = door.signed(
            b"{}" + b" " * (len(body) - 2) if wrong == "body" else body, path="/" if wrong == "path" else PATH
        )
        if wrong == "secret":
            other = door.signed(body, key="sam")["authorization"].partition("Signature=")[2]
            headers["authorization"] = headers["authorization"].partition("Signature=")[0] + "Signature=" + other
        status, code, message = door.refused(body, headers=headers)
        assert (status, code) == (400, "InvalidSignatureException")
        assert message.startswith("The request signature we calculated does not match the signature you provided.")


class TestMalformed:
    @pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'{"Photos": NaN}', b"[" * 100_000, b'{"a":' * 200_000])
    def test_what_is_no_json_object_is_a_serialization_exception(self, body: bytes, door: Door) -> None:
        assert door.refused(body)[:2] == (400, "SerializationException")

    @pytest.mark.parametrize(
        ("how", "told"),
        [
            ({"Content_Type": "text/plain"}, "Content-Type must be application/json."),
            ({"Content_Encoding": "gzip"}, "A body with a Content-Encoding is not accepted."),
        ],
    )
    def test_what_is_not_sent_as_plain_json_is_refused(self, how: dict[str, str], told: str, door: Door) -> None:
        body = json.dumps(pair_of()).encode()
        assert door.refused(body, headers=door.signed(body, **how)) == (400, "SerializationException", told)

    def test_a_query_string_is_refused(self, door: Door) -> None:
        assert door.refused(pair_of(), query="X-Amz-Signature=0")[:2] == (400, "UnknownOperationException")

    def test_only_post_is_answered(self, door: Door) -> None:
        assert door.refused(b"", method="GET")[:2] == (405, "UnknownOperationException")

    @pytest.mark.parametrize(
        ("request_", "told"),
        [
            (
                {},
                "2 validation errors detected: Value null at 'photos' failed to satisfy constraint: Member must not be "
                "null; Value null at 'pairs' failed to satisfy constraint: Member must not be null",
            ),
            (
                pair_of(Photos=[{"Bytes": "no base64"}, {"Bytes": PIXEL}]),
                "1 validation error detected: Value at 'photos.1.member.bytes' failed to satisfy constraint: "
                "Member must be base64",
            ),
            (
                pair_of(Photos=[{"Bytes": ""}, {"Bytes": PIXEL}]),
                "1 validation error detected: Value at 'photos.1.member.bytes' failed to satisfy constraint: "
                "Member must have length greater than or equal to 1",
            ),
            (
                pair_of(Photos=[{"Bytes": PIXEL}] * (MAX_PHOTOS + 1)),
                "1 validation error detected: Value '[...]' at 'photos' failed to satisfy constraint: "
                f"Member must have length less than or equal to {MAX_PHOTOS}",
            ),
            (
                pair_of(Pairs=[{"Left": 0, "Right": 1}] * (MAX_PAIRS + 1)),
                "1 validation error detected: Value '[...]' at 'pairs' failed to satisfy constraint: "
                f"Member must have length less than or equal to {MAX_PAIRS}",
            ),
            (
                pair_of(left="0"),
                "1 validation error detected: Value '0' at 'pairs.1.member.left' failed to satisfy constraint: "
                "Member must be an integer",
            ),
            (
                pair_of(right=10**30),
                f"1 validation error detected: Value '{10**30}' at 'pairs.1.member.right' failed to satisfy "
                f"constraint: Member must have value less than or equal to {MAX_PHOTOS - 1}",
            ),
            (pair_of(right=2), "Pair 0 is of photos 0 and 2, and there are 2, from 0."),
            (pair_of(right=0), "Pair 0 is of photo 0 and itself: give two photos."),
            (
                pair_of(FaceModelVersion="../x"),
                "1 validation error detected: Value '../x' at 'faceModelVersion' failed to satisfy constraint: "
                "Member must satisfy regular expression pattern: [0-9]{1,9}(\\.[0-9]{1,9}){0,2}",
            ),
            (
                pair_of(FaceModelVersion="99"),
                "Face model version 99 does not answer on this server: leave it away for 1.0, which does.",
            ),
        ],
        ids=range(11),
    )
    def test_what_is_no_test_of_pairs_is_an_invalid_parameter(
        self, request_: dict[str, object], told: str, door: Door
    ) -> None:
        assert door.refused(request_) == (400, "InvalidParameterException", told)

    def test_more_bytes_than_any_request_may_have_are_refused_before_they_are_read(self, door: Door) -> None:
        body = json.dumps(pair_of()).encode()
        headers = door.signed(body) | {"content-length": str(64 * 1024**2)}
        status, code, _ = door.refused(body, headers=headers)
        assert (status, code) == (413, "RequestEntityTooLargeException")

    def test_photos_that_are_none_are_failures_to_enrol(self, door: Door) -> None:
        """One file of thousands that is torn stops no test."""
        answer = door.ask(pair_of())
        assert answer.status == 200
        assert {photo["FailureToEnrol"]["Code"] for photo in answer.body["Photos"]} == {"InvalidImageFormatException"}
        assert answer.body["Pairs"] == [{"Left": 0, "Right": 1, "Cosine": None, "Similarity": None}]


def test_of_an_unexpected_failure_nothing_is_told_but_an_id(
    door: Door, encoded: Callable[[str], dict[str, str]]
) -> None:
    """Neither in the answer nor in the log: what fails may quote a face."""
    request = pair_of(Photos=[encoded("obama.jpg"), encoded("obama2.jpg")])
    with (
        capture_logs() as logs,
        mock.patch.object(Vision, "detect", side_effect=RuntimeError("the face of Barack Obama in /srv/photos")),
    ):
        status, code, message = door.refused(request)
    assert (status, code) == (500, "InternalServerError")
    assert re.fullmatch(r"Internal server error\. Request id: [0-9a-f-]{36}", message)
    assert "RuntimeError" in json.dumps(logs)
    assert "Barack" not in json.dumps(logs)
