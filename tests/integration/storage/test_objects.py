"""Photos from a real S3 protocol server over loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto.server import ThreadedMotoServer

from countenance.errors import ImageTooLarge, InvalidS3Object, Misconfigured
from countenance.settings import Settings
from countenance.storage.objects import S3Photos

PHOTO = b"\xff\xd8 a photo"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def store(endpoint: str) -> Any:
    """A client of the store with two buckets: `photos`, versioned, and `private`."""
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    for bucket in ("photos", "private"):
        client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key="ann.jpg", Body=PHOTO)
    client.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    return client


def _settings(tmp_path: Any, endpoint: str | None, **more: Any) -> Settings:
    return Settings(
        data=tmp_path,
        s3_endpoint_url=endpoint,
        s3_buckets=frozenset({"photos"}),
        **{"s3_access_key_id": "a", "s3_secret_access_key": "b", **more},
    )


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, endpoint: str, store: Any) -> S3Photos:
    return S3Photos(_settings(tmp_path_factory.getbasetemp(), endpoint))


def test_a_photo_is_read(photos: S3Photos) -> None:
    assert photos.fetch("photos", "ann.jpg", None, max_bytes=len(PHOTO)) == PHOTO


def test_keys_may_hold_any_character(photos: S3Photos, store: Any) -> None:
    name = "Fotos 2024/Jürgen & Anna?#100%+.jpg"
    store.put_object(Bucket="photos", Key=name, Body=PHOTO)
    assert photos.fetch("photos", name, None, max_bytes=100) == PHOTO


def test_the_version_asked_for_is_read(photos: S3Photos, store: Any) -> None:
    older = store.put_object(Bucket="photos", Key="bob.jpg", Body=b"older")["VersionId"]
    newer = store.put_object(Bucket="photos", Key="bob.jpg", Body=b"newer")["VersionId"]
    assert photos.fetch("photos", "bob.jpg", older, max_bytes=100) == b"older"
    assert photos.fetch("photos", "bob.jpg", newer, max_bytes=100) == b"newer"
    assert photos.fetch("photos", "bob.jpg", None, max_bytes=100) == b"newer"


def test_a_photo_that_is_too_large_is_refused(photos: S3Photos) -> None:
    with pytest.raises(ImageTooLarge, match=f"{len(PHOTO)} bytes; at most {len(PHOTO) - 1}"):
        photos.fetch("photos", "ann.jpg", None, max_bytes=len(PHOTO) - 1)


@pytest.mark.parametrize("name", ["nobody.jpg", "ann.jpg/", "ann"])
def test_an_object_that_is_not_there_is_named_as_rekognition_does(photos: S3Photos, name: str) -> None:
    with pytest.raises(InvalidS3Object, match=r"^Unable to get object metadata from S3\..*no such object"):
        photos.fetch("photos", name, None, max_bytes=100)


def test_a_deleted_object_cannot_be_read_but_its_versions_can(photos: S3Photos, store: Any) -> None:
    version = store.put_object(Bucket="photos", Key="eve.jpg", Body=PHOTO)["VersionId"]
    marker = store.delete_object(Bucket="photos", Key="eve.jpg")["VersionId"]
    for gone in (None, marker):
        with pytest.raises(InvalidS3Object):
            photos.fetch("photos", "eve.jpg", gone, max_bytes=100)
    assert photos.fetch("photos", "eve.jpg", version, max_bytes=100) == PHOTO


@pytest.mark.parametrize("version", ["nonsense", "00000000-0000-0000-0000-000000000000"])
def test_a_version_that_is_not_there_is_an_error(photos: S3Photos, version: str) -> None:
    with pytest.raises(InvalidS3Object):
        photos.fetch("photos", "ann.jpg", version, max_bytes=100)


@pytest.mark.parametrize("bucket", ["private", "missing", "Photos", "arn:aws:s3:us-east-1:123456789012:accesspoint/x"])
def test_only_the_buckets_of_the_settings_can_be_read(photos: S3Photos, bucket: str) -> None:
    with pytest.raises(InvalidS3Object, match="may not read the bucket"):
        photos.fetch(bucket, "ann.jpg", None, max_bytes=100)


@pytest.mark.parametrize("name", ["../private/ann.jpg", "x/../../private/ann.jpg", "./ann.jpg", ".."])
def test_a_key_cannot_lead_out_of_its_bucket(photos: S3Photos, name: str) -> None:
    with pytest.raises(InvalidS3Object, match=r"part that is \. or \.\."):
        photos.fetch("photos", name, None, max_bytes=100)


def test_without_buckets_nothing_is_read(tmp_path: Any) -> None:
    with pytest.raises(InvalidS3Object, match="may not read the bucket"):
        S3Photos(Settings(data=tmp_path)).fetch("photos", "ann.jpg", None, max_bytes=100)


def test_half_of_the_credentials_is_a_mistake(tmp_path: Any, endpoint: str) -> None:
    with pytest.raises(Misconfigured, match="go together"):
        S3Photos(_settings(tmp_path, endpoint, s3_secret_access_key=None))


def test_the_environment_changes_nothing(
    tmp_path: Any, endpoint: str, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "aws"
    trap.write_text("[profile trap]\nendpoint_url = http://127.0.0.1:9\nregion = xx-nowhere-1\n")
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_PROFILE": "trap",
        "AWS_DEFAULT_PROFILE": "trap",
        "AWS_CONFIG_FILE": str(trap),
        "AWS_SHARED_CREDENTIALS_FILE": str(trap),
        "AWS_SESSION_TOKEN": "trap",
    }.items():
        monkeypatch.setenv(name, value)
    photos = S3Photos(_settings(tmp_path, endpoint))
    assert photos.fetch("photos", "ann.jpg", None, max_bytes=100) == PHOTO


def test_a_store_that_is_not_there_is_an_error_of_the_request(tmp_path: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        photos = S3Photos(_settings(tmp_path, f"http://127.0.0.1:{unused.getsockname()[1]}"))
        with pytest.raises(InvalidS3Object, match="cannot be reached"):
            photos.fetch("photos", "ann.jpg", None, max_bytes=100)


class _BadStore(BaseHTTPRequestHandler):
    """Answers by the object's key: a status, a lie about the length, or a way to another host."""

    def do_HEAD(self) -> None:
        key = self.path.rsplit("/", 1)[1]
        if key.isdecimal():
            self.send_response(int(key))
            if key == "301":
                self.send_header("x-amz-bucket-region", "eu-west-1")
            if key == "307":
                self.send_header("Location", "http://127.0.0.1:9/stolen")
        else:
            self.send_response(200)
        if key != "plain":
            self.send_header("ETag", '"0"')
            self.send_header("Content-Length", "1000000" if key == "huge" else "3")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(500 if self.path.endswith("/huge") else 200)
        if self.path.endswith("/short"):
            self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"abc" if self.path.endswith(("/short", "/plain")) else b"abc" * 100_000)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@pytest.fixture(scope="module")
def bad_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Photos]:
    server = HTTPServer(("127.0.0.1", 0), _BadStore)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield S3Photos(_settings(tmp_path_factory.getbasetemp(), f"http://127.0.0.1:{server.server_port}"))
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 405, 412, 418, 500, 503])
def test_whatever_the_store_answers_it_is_an_error_of_the_request(bad_store: S3Photos, status: int) -> None:
    with pytest.raises(InvalidS3Object, match=r"^Unable to get object metadata from S3\."):
        bad_store.fetch("photos", str(status), None, max_bytes=100)


def test_what_is_too_large_is_not_even_asked_for(bad_store: S3Photos) -> None:
    with pytest.raises(ImageTooLarge, match="1000000 bytes; at most 100"):
        bad_store.fetch("photos", "huge", None, max_bytes=100)


def test_what_the_store_says_of_the_length_is_not_believed(bad_store: S3Photos) -> None:
    with pytest.raises(ImageTooLarge):
        bad_store.fetch("photos", "longer-than-said", None, max_bytes=100)


def test_a_store_may_keep_length_and_tag_to_itself(bad_store: S3Photos) -> None:
    assert bad_store.fetch("photos", "plain", None, max_bytes=3) == b"abc"
    with pytest.raises(ImageTooLarge):
        bad_store.fetch("photos", "plain", None, max_bytes=2)


def test_an_object_that_breaks_off_is_an_error(bad_store: S3Photos) -> None:
    with pytest.raises(InvalidS3Object, match="broke off"):
        bad_store.fetch("photos", "short", None, max_bytes=100)


class _NoBody:
    def stream(self, **_: Any) -> Iterator[bytes]:
        return iter(())


def test_a_bucket_of_another_region_is_not_followed_there(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = S3Photos(_settings(tmp_path, None))
    client = photos._client
    asked: list[str] = []

    def elsewhere(request: Any, **_: Any) -> Any:
        asked.append(request.url)
        return AWSResponse(request.url, 301, {"x-amz-bucket-region": "eu-west-1"}, _NoBody())

    client.meta.events.register("before-send.s3", elsewhere)
    with pytest.raises(InvalidS3Object, match="another region"):
        photos.fetch("photos", "ann.jpg", None, max_bytes=100)
    assert asked
    assert all("eu-west-1" not in url for url in asked)
