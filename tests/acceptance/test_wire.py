"""What no SDK sends: requests made by hand, each refused with the exact exception and never a 500."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countenance.aws.model import operation_model
from countenance.aws.operations import OPERATIONS
from countenance.aws.replays import TWIN_SECONDS
from tests.acceptance.answers import check_answer
from tests.acceptance.conftest import Server

LIST = "ListCollections"
SECONDS = 60


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The exception's class, where the answer is one as Rekognition writes them."""
        said = json.loads(self.body)
        assert said["__type"] == said["Code"] == self.headers["x-amzn-errortype"]
        assert said["Logref"] == self.headers["x-amzn-requestid"]
        return str(said["__type"])

    @property
    def message(self) -> str:
        return str(json.loads(self.body)["Message"])


class Wire:
    """Sends requests as they are."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def headers(
        self, body: bytes, *, operation: str = LIST, signed_at: datetime | None = None, **more: str
    ) -> dict[str, str]:
        """Headers that botocore signs for this body."""
        request = AWSRequest(
            method="POST",
            url=f"{self._server.endpoint_url}/",
            headers={
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": f"RekognitionService.{operation}",
                "Host": self._server.host,
                **more,
            },
            data=body,
        )
        auth = Signer(self._server, signed_at)
        auth.add_auth(request)
        return dict(request.headers.items())

    def send(
        self, body: bytes = b"{}", headers: dict[str, str] | None = None, *, method: str = "POST", path: str = "/",
        operation: str = LIST,
    ) -> Answer:  # fmt: skip
        connection = http.client.HTTPConnection(self._server.host, timeout=SECONDS)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in (self.headers(body, operation=operation) if headers is None else headers).items():
                connection.putheader(name, value)
            if headers is None or "Content-Length" not in headers:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def raw(self, data: bytes, *, half_closed: bool = False) -> bytes:
        """Everything the server says to these bytes until it hangs up."""
        host, _, port = self._server.host.partition(":")
        with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
            connection.sendall(data)
            if half_closed:
                connection.shutdown(socket.SHUT_WR)
            heard = b""
            while part := connection.recv(65536):
                heard += part
            return heard


class Signer(SigV4Auth):  # type: ignore[misc]
    """botocore's signer with a clock that can be set."""

    def __init__(self, server: Server, signed_at: datetime | None) -> None:
        super().__init__(Credentials(server.access_key_id, server.secret_access_key), "rekognition", server.region)
        self._signed_at = signed_at

    def add_auth(self, request: AWSRequest) -> None:
        timestamp = (self._signed_at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        request.context["timestamp"] = timestamp
        request.headers["X-Amz-Date"] = timestamp
        canonical = self.canonical_request(request)
        signature = self.signature(self.string_to_sign(request, canonical), request)
        self._inject_signature_to_request(request, signature)


@pytest.fixture(scope="session")
def wire(server: Server) -> Wire:
    return Wire(server)


@dataclass(frozen=True)
class Used:
    """A request that was sent once and answered, and when."""

    headers: dict[str, str]
    at: float


@pytest.fixture(scope="module", autouse=True)
def used(wire: Wire) -> Used:
    """Sent before all other tests here, so that it is old by the time it is sent again."""
    headers = wire.headers(b"{}", **{"X-Amz-Meta-Used": "once"})
    assert wire.send(headers=headers).status == 200
    return Used(headers, time.monotonic())


@pytest.fixture(autouse=True)
def _still_serving(wire: Wire) -> Iterator[None]:
    """Whatever a test did to the server, it serves on."""
    yield
    assert wire.send().status == 200


def test_a_request_made_by_hand_is_answered_like_any_other(wire: Wire) -> None:
    answer = wire.send()
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"
    assert "CollectionIds" in json.loads(answer.body)


class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"[]",
            b"null",
            b'{"MaxResults": NaN}',
            b'{"NextToken": "\xff"}',
            b"\xff\xfe{\x00}\x00",
            b"\x00",
            b'{"NextToken": "a\x00b"}',
            b"MaxResults=5",
            b'{"a":' * 200_000,
            b"[" * 100_000,
            b'{"a":[' + b"0," * 100_000 + b"0]}",
            b'{"MaxResults": ' + b"9" * 10_000 + b"}",
        ],
        ids=range(13),
    )
    def test_what_is_no_json_object_is_a_serialization_exception(self, wire: Wire, body: bytes) -> None:
        answer = wire.send(body)
        assert (answer.status, answer.code) == (400, "SerializationException")

    @pytest.mark.parametrize(
        ("operation", "request_"),
        [
            ("DescribeCollection", {"CollectionId": "a\0b"}),
            ("DescribeCollection", {"CollectionId": "\ud800"}),
            ("DescribeCollection", {"CollectionId": 1e999}),
            ("DescribeCollection", {"CollectionId": "x" * 1_000_000}),
            ("DetectFaces", {"Image": {"Bytes": "no base64"}}),
            ("DetectFaces", {"Image": {"Bytes": ""}}),
            ("DetectFaces", {"Image": {"S3Object": {"Bucket": "photos", "Name": "\ud800"}}}),
            ("DetectFaces", {"Image": None}),
            ("ListTagsForResource", {"ResourceArn": "arn:aws:rekognition:us-east-1:000000000000:collection/\0"}),
        ],
    )
    def test_a_value_that_cannot_be_is_an_invalid_parameter(
        self, wire: Wire, operation: str, request_: dict[str, Any]
    ) -> None:
        body = json.dumps(request_).replace("Infinity", "1e999").encode()
        answer = wire.send(body, operation=operation)
        assert (answer.status, answer.code) == (400, "InvalidParameterException")

    @pytest.mark.parametrize("name", ["\0", "a\0b", "/etc/passwd", "http://127.0.0.1/"])
    def test_a_name_that_no_store_has_is_an_invalid_s3_object(self, wire: Wire, name: str) -> None:
        body = json.dumps({"Image": {"S3Object": {"Bucket": "photos", "Name": name, "Version": name}}}).encode()
        answer = wire.send(body, operation="DetectFaces")
        assert (answer.status, answer.code) == (400, "InvalidS3ObjectException")

    def test_a_photo_is_never_repeated(self, wire: Wire) -> None:
        photo = base64.b64encode(b"somebody's face").decode()
        body = json.dumps({"Image": {"Bytes": photo}, "Attributes": ["NONE"]}).encode()
        answer = wire.send(body, operation="DetectFaces")
        assert answer.code == "InvalidParameterException"
        assert photo[:8] not in answer.message

    def test_members_that_are_not_in_the_model_are_ignored(self, wire: Wire) -> None:
        assert wire.send(b'{"Novelty": {"a": [1]}}').status == 200

    def test_an_empty_body_is_an_empty_request(self, wire: Wire) -> None:
        assert wire.send(b"").status == 200

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(operation=st.sampled_from(sorted(set(OPERATIONS) - {"CreateCollection"})), data=st.data())
    def test_no_request_is_answered_with_a_500(self, wire: Wire, operation: str, data: st.DataObject) -> None:
        shape = operation_model(operation).input_shape
        assert shape is not None
        values = st.none() | st.integers() | st.text(max_size=10) | st.lists(st.text(max_size=5), max_size=3)
        plausible = {
            "CollectionId": st.just("nowhere"),
            "FaceId": st.just("0" * 8 + "-0000" * 3 + "-" + "0" * 12),
            "UserId": st.just("u"),
            "Image": st.just({"Bytes": "QUJD"}),
            "ResourceArn": st.text(min_size=20, max_size=60),
            "NextToken": st.text(max_size=255),
        }
        members = {name: plausible.get(name, st.nothing()) | values for name in shape.members}
        document = data.draw(st.fixed_dictionaries({}, optional=members))
        answer = wire.send(json.dumps(document).encode(), operation=operation)
        check_answer(answer.body, answer.status, answer.headers, operation_model(operation))


class TestSizes:
    def test_a_body_larger_than_any_request_is_refused(self, wire: Wire) -> None:
        answer = wire.send(b" " * (20 * 1024 * 1024))
        assert (answer.status, answer.code) == (413, "RequestEntityTooLargeException")

    def test_a_photo_larger_than_any_request_is_an_image_too_large(self, wire: Wire) -> None:
        answer = wire.send(b" " * (20 * 1024 * 1024), operation="DetectFaces")
        assert (answer.status, answer.code) == (400, "ImageTooLargeException")

    def test_a_body_of_unknown_length_is_read_to_the_limit(self, wire: Wire, server: Server) -> None:
        headers = wire.headers(b"{}")
        head = "POST / HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        chunked = f"{head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
        assert wire.raw(chunked + b"2\r\n{}\r\n0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        mebibyte = b"100000\r\n" + b" " * 2**20 + b"\r\n"
        assert wire.raw(chunked + mebibyte * 20 + b"0\r\n\r\n").startswith(b"HTTP/1.1 413 ")

    def test_more_than_was_declared_is_not_part_of_the_request(self, wire: Wire) -> None:
        headers = {**wire.headers(b"{}"), "Content-Length": "2", "Connection": "close"}
        head = "POST / HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        assert wire.raw(head.encode() + b"{} and more").startswith(b"HTTP/1.1 200 ")

    def test_less_than_was_declared_is_no_request(self, wire: Wire) -> None:
        headers = {**wire.headers(b"{}"), "Content-Length": "3"}
        head = "POST / HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        assert b"200" not in wire.raw(head.encode() + b"{}", half_closed=True)

    @pytest.mark.parametrize("length", ["x", "-1", "2.5", "²"])
    def test_a_length_that_is_no_number_is_no_request(self, wire: Wire, length: str) -> None:
        headers = {**wire.headers(b"{}"), "Content-Length": length, "Connection": "close"}
        head = "POST / HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        assert wire.raw(head.encode("utf-8") + b"{}").startswith(b"HTTP/1.1 400 ")

    @pytest.mark.parametrize(
        ("beginning", "more"),
        [
            (b"POST / HTTP/1.1\r\n", b"X-More: " + b"x" * 8000 + b"\r\n"),
            (b"POST / HTTP/1.1\r\nX-Endless: ", b"x" * 8000),
            (b"POST /", b"x" * 8000),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-More: " + b"x" * 8000 + b"\r\n"),
        ],
        ids=["headers", "header", "path", "trailers"],
    )
    def test_an_endless_head_is_hung_up_on(self, wire: Wire, beginning: bytes, more: bytes) -> None:
        try:
            heard = wire.raw(beginning + more * 4000)
        except ConnectionError:
            return
        assert heard.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))

    @pytest.mark.parametrize(
        "noise", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\r\n\r\n\0\0", b"GET\r\n\r\n"]
    )
    def test_what_is_not_http_is_hung_up_on(self, wire: Wire, noise: bytes) -> None:
        assert b"200" not in wire.raw(noise, half_closed=True)


class TestTargets:
    @pytest.mark.parametrize(
        "target",
        [
            "RekognitionService.Nonsense",
            "RekognitionService.",
            "RekognitionService",
            "DynamoDB_20120810.ListTables",
            "Rekognition.DetectFaces",
            "RekognitionService.DetectFaces.DetectFaces",
            "rekognitionservice.detectfaces",
            "RekognitionService.__init__",
            "",
        ],
    )
    def test_a_target_that_rekognition_does_not_have_is_an_unknown_operation(self, wire: Wire, target: str) -> None:
        answer = wire.send(headers=wire.headers(b"{}", **{"X-Amz-Target": target}))
        assert (answer.status, answer.code) == (400, "UnknownOperationException")

    def test_another_protocol_is_refused(self, wire: Wire) -> None:
        headers = wire.headers(b"{}", **{"Content-Type": "application/json"})
        assert wire.send(headers=headers).code == "SerializationException"
        headers = wire.headers(b"{}", **{"Content-Encoding": "gzip"})
        assert wire.send(headers=headers).code == "SerializationException"

    @pytest.mark.parametrize("path", ["/x", "//", "/../", "/%2e", "/healthz/x", "/robots.txt"])
    def test_there_is_nothing_elsewhere(self, wire: Wire, path: str) -> None:
        answer = wire.send(path=path)
        assert (answer.status, answer.code) == (404, "UnknownOperationException")

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "BREW"])
    def test_only_post_is_taken(self, wire: Wire, method: str) -> None:
        answer = wire.send(method=method)
        assert answer.status in {400, 405}
        assert method == "BREW" or answer.headers["x-amzn-requestid"]


class TestSignatures:
    def test_without_a_signature_there_is_no_answer(self, wire: Wire) -> None:
        headers = wire.headers(b"{}")
        del headers["Authorization"]
        assert wire.send(headers=headers).code == "MissingAuthenticationTokenException"

    @pytest.mark.parametrize("authorization", ["Basic YTpi", "AWS4-HMAC-SHA256", "Bearer x", "AWS4-HMAC-SHA256 a=b"])
    def test_another_authorization_is_incomplete(self, wire: Wire, authorization: str) -> None:
        headers = {**wire.headers(b"{}"), "Authorization": authorization}
        assert wire.send(headers=headers).code == "IncompleteSignatureException"

    def test_a_tampered_body_is_refused(self, wire: Wire) -> None:
        answer = wire.send(b'{"MaxResults":2}', headers=wire.headers(b'{"MaxResults":1}'))
        assert answer.code == "InvalidSignatureException"

    def test_a_tampered_target_is_refused(self, wire: Wire) -> None:
        headers = {**wire.headers(b"{}"), "X-Amz-Target": "RekognitionService.DetectFaces"}
        assert wire.send(headers=headers).code == "InvalidSignatureException"

    def test_a_wrong_payload_hash_is_refused_though_it_is_signed(self, wire: Wire) -> None:
        headers = wire.headers(b"{}", **{"X-Amz-Content-SHA256": "0" * 64})
        answer = wire.send(headers=headers)
        assert answer.code == "InvalidSignatureException"

    @pytest.mark.parametrize("minutes", [-6, 6])
    def test_a_clock_that_is_off_is_told_so(self, wire: Wire, minutes: int) -> None:
        answer = wire.send(headers=wire.headers(b"{}", signed_at=datetime.now(UTC) + timedelta(minutes=minutes)))
        assert answer.code == "InvalidSignatureException"
        assert "the server's clock says" in answer.message

    @pytest.mark.parametrize("minutes", [-4, 4])
    def test_a_clock_that_is_a_little_off_is_accepted(self, wire: Wire, minutes: int) -> None:
        headers = wire.headers(b"{}", signed_at=datetime.now(UTC) + timedelta(minutes=minutes))
        assert wire.send(headers=headers).status == 200

    def test_a_presigned_url_is_refused(self, wire: Wire, server: Server) -> None:
        request = AWSRequest(method="POST", url=f"{server.endpoint_url}/", data=b"{}")
        credentials = Credentials(server.access_key_id, server.secret_access_key)
        SigV4QueryAuth(credentials, "rekognition", server.region).add_auth(request)
        query = urllib.parse.urlsplit(request.url).query
        headers = wire.headers(b"{}")
        answer = wire.send(headers=headers, path=f"/?{query}")
        assert answer.status == 400
        assert "presigned" in answer.message

    def test_a_header_sent_twice_is_refused(self, wire: Wire) -> None:
        headers = wire.headers(b"{}")
        head = "POST / HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head += "X-Amz-Target: RekognitionService.DeleteCollection\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
        heard = wire.raw(head.encode() + b"{}")
        assert b"IncompleteSignatureException" in heard

    def test_identical_calls_of_the_same_second_are_both_honest(self, wire: Wire) -> None:
        headers = wire.headers(b"{}")
        assert [wire.send(headers=headers).status for _ in range(2)] == [200, 200]

    def test_a_captured_request_is_good_for_nothing_a_little_later(self, wire: Wire, used: Used) -> None:
        time.sleep(max(0.0, used.at + TWIN_SECONDS + 0.5 - time.monotonic()))
        answer = wire.send(headers=used.headers)
        assert answer.code == "InvalidSignatureException"
        assert "used before" in answer.message


class TestPagesInBrowsers:
    def test_a_preflight_allows_what_the_sdk_sends(self, wire: Wire) -> None:
        preflight = {
            "Origin": "https://app.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,x-amz-date,x-amz-target,amz-sdk-request",
        }
        answer = wire.send(b"", preflight, method="OPTIONS")
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "POST" in answer.headers["access-control-allow-methods"]
        allowed = answer.headers["access-control-allow-headers"]
        assert all(name in allowed for name in ("authorization", "x-amz-target", "amz-sdk-request"))
        assert "access-control-allow-credentials" not in answer.headers

    def test_an_answer_may_be_read_by_the_page_with_its_request_id(self, wire: Wire) -> None:
        answer = wire.send(headers={**wire.headers(b"{}"), "Origin": "https://app.example"})
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "x-amzn-RequestId" in answer.headers["access-control-expose-headers"]

    def test_an_error_may_be_read_too(self, wire: Wire) -> None:
        answer = wire.send(b"{", headers={**wire.headers(b"{"), "Origin": "https://app.example"})
        assert answer.code == "SerializationException"
        assert answer.headers["access-control-allow-origin"] == "*"


def test_health_is_asked_for_without_a_key(wire: Wire) -> None:
    answer = wire.send(b"", {}, method="GET", path="/healthz")
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})
    assert answer.headers["x-amzn-requestid"]


def test_the_log_tells_of_every_use_and_no_secret_or_photo(server: Server, wire: Wire) -> None:
    photo = base64.b64encode(b"somebody's face").decode()
    body = json.dumps({"Image": {"Bytes": photo}}).encode()
    answer = wire.send(body, operation="DetectFaces")
    assert answer.code == "InvalidImageFormatException"
    log = Path(server.data.parent / "log").read_text()
    assert answer.headers["x-amzn-requestid"] in log
    assert server.secret_access_key not in log
    assert photo[:12] not in log
