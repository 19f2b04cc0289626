"""Photos and videos in the one S3-compatible store of the settings: what `S3Object` of a request may name.

The store, its credentials and the buckets come from the settings alone, not from the environment, profiles or instance
metadata, and a request can name nothing else: no other host, no other bucket, no way out of a bucket.
Trust: whoever can write to an allowed bucket chooses which photo is recognised; they cannot make the server fetch from
anywhere else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, Any
from urllib.parse import urlsplit

import botocore.session
from botocore import UNSIGNED
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from countenance.errors import CountenanceError, ImageTooLarge, InvalidS3Object, Misconfigured, VideoTooLarge
from countenance.settings import Settings

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 20
ATTEMPTS = 2
CHUNK_BYTES = 256 * 1024

# Where botocore would look for settings of its own: (name in files, environment variable, default, conversion).
FROM_NOWHERE = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}

# Rekognition's own sentence; clients look for it.
UNABLE = "Unable to get object metadata from S3. Check object key, region and/or access permissions."

_REASONS = {
    301: "The bucket is in another region.",
    400: "The store did not accept the request: the bucket may be in another region, or the version malformed.",
    401: "The store does not accept this server's credentials.",
    403: "The store does not let this server read the object.",
    404: "There is no such object, version or bucket.",
    405: "This version of the object is a delete marker.",
    412: "The object was replaced while it was read: try again.",
}


class StoreFailed(InvalidS3Object):
    """The store does not answer, or not to the end: it may do so the next time."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is in the store at a time: its tag and its version, as far as the store has them."""

    tag: str | None
    version: str | None


class S3Photos:
    """Reads photos and videos from the store. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        """Connects to nothing yet. Raises Misconfigured when only half of the store's credentials are set."""
        if (settings.s3_access_key_id is None) != (settings.s3_secret_access_key is None):
            raise Misconfigured("s3_access_key_id and s3_secret_access_key go together.")
        self._buckets = settings.s3_buckets
        self._region = settings.s3_region
        self._client = _client(settings) if settings.s3_buckets else None

    def fetch(self, bucket: str, name: str, version: str | None, max_bytes: int) -> bytes:
        """The object's bytes, at most `max_bytes`; of that version, or the newest when `version` is None.

        Raises ImageTooLarge, before anything is downloaded, for an object above `max_bytes`, and InvalidS3Object for
        everything else that keeps it from being read.
        """
        with self._reading(bucket, name) as client:
            which = _which(bucket, name, version)
            found = client.head_object(**which)
            if found.get("ContentLength", 0) > max_bytes:
                raise ImageTooLarge(f"The object has {found['ContentLength']} bytes; at most {max_bytes} are accepted.")
            # Neither the length nor the tag is owed; the bytes are counted as they come.
            same = {"IfMatch": found["ETag"]} if "ETag" in found else {}
            body = client.get_object(**which, **same)["Body"]
            return _read(body, max_bytes)

    def look(self, bucket: str, name: str, version: str | None, max_bytes: int) -> Found:
        """What there is, without reading it. Raises VideoTooLarge for more than `max_bytes`, InvalidS3Object."""
        with self._reading(bucket, name) as client:
            found = client.head_object(**_which(bucket, name, version))
            size = found.get("ContentLength", 0)
            if size > max_bytes:
                raise VideoTooLarge(
                    f"Video size in bytes: {size} is more than the maximum limit of: {max_bytes} bytes."
                )
            return Found(found.get("ETag"), found.get("VersionId"))

    def save(
        self, bucket: str, name: str, found: Found, file: IO[bytes], max_bytes: int, *, each: Callable[[bytes], None]
    ) -> None:
        """Write into a file what `look` has found and nothing that replaced it; `each` is told every piece.

        Raises VideoTooLarge, InvalidS3Object, and what `each` raises.
        """
        with self._reading(bucket, name) as client:
            same = {} if found.tag is None else {"IfMatch": found.tag}
            written = 0
            with client.get_object(**_which(bucket, name, found.version), **same)["Body"] as body:
                while chunk := body.read(CHUNK_BYTES):
                    written += len(chunk)
                    if written > max_bytes:
                        raise VideoTooLarge(
                            f"Video size in bytes: {written} is more than the maximum limit of: {max_bytes} bytes."
                        )
                    each(chunk)
                    file.write(chunk)

    @contextmanager
    def _reading(self, bucket: str, name: str) -> Iterator[Any]:
        """The client. Raises InvalidS3Object for what may not be read, and for what goes wrong within the block."""
        if self._client is None or bucket not in self._buckets:
            raise InvalidS3Object(f"{UNABLE} This server may not read the bucket {bucket}: its operator lists those.")
        if not {".", ".."}.isdisjoint(name.split("/")):
            raise InvalidS3Object(f"{UNABLE} An object whose key has a part that is . or .. cannot be read.")
        try:
            yield self._client
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            reason = _REASONS.get(status, f"The store answered with status {status}.")
            kind = StoreFailed if status >= HTTPStatus.INTERNAL_SERVER_ERROR else InvalidS3Object
            raise kind(f"{UNABLE} {reason}") from error
        except BotoCoreError as error:
            raise StoreFailed(f"{UNABLE} The store cannot be reached, or broke off.") from error


class S3Folder:
    """Files in a bucket of the same store, written by this server. For one thread.

    Trust: whoever can write to the bucket can replace what is there; what reads it must not believe it.
    """

    def __init__(self, settings: Settings, bucket: str) -> None:
        """Connects to nothing yet."""
        self._client = _client(settings)
        self._bucket = bucket

    def read(self, name: str, max_bytes: int) -> bytes | None:
        """The file, None when there is none. Raises UnreachableStore, also for one of more than `max_bytes`."""
        try:
            return _read(self._client.get_object(Bucket=self._bucket, Key=name)["Body"], max_bytes)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404 and _code(error) == "NoSuchKey":
                return None
            raise UnreachableStore(f"The store does not give {name}: {_code(error)}.") from error
        except (BotoCoreError, ImageTooLarge) as error:
            raise UnreachableStore(f"The store does not give {name}.") from error

    def write(self, name: str, content: bytes, *, immutable: bool) -> None:
        """Put a file, which replaces the one of its name. Raises UnreachableStore."""
        caching = "public, max-age=31536000, immutable" if immutable else "no-cache"
        kind = "text/plain; charset=utf-8" if "/" not in name else "application/octet-stream"
        try:
            self._client.put_object(Bucket=self._bucket, Key=name, Body=content, ContentType=kind, CacheControl=caching)
        except ClientError as error:
            raise UnreachableStore(f"The store does not take {name}: {_code(error)}.") from error
        except BotoCoreError as error:
            raise UnreachableStore(f"The store does not take {name}: it cannot be reached, or broke off.") from error


class UnreachableStore(CountenanceError):
    """The S3-compatible store does not do what it is asked for."""

    code = "UnreachableStore"


def _which(bucket: str, name: str, version: str | None) -> dict[str, str]:
    return {"Bucket": bucket, "Key": name} | ({} if version is None else {"VersionId": version})


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "no reason"))


def _read(body: Any, max_bytes: int) -> bytes:
    """All of the stream; what the store said of its length is not believed."""
    data = bytearray()
    with body:
        while chunk := body.read(CHUNK_BYTES):
            data += chunk
            if len(data) > max_bytes:
                raise ImageTooLarge(f"The object has more bytes than the store said; at most {max_bytes} are accepted.")
    return bytes(data)


def _client(settings: Settings) -> Any:
    secret = settings.s3_secret_access_key
    client = botocore.session.Session(session_vars=FROM_NOWHERE).create_client(
        "s3",
        region_name=settings.s3_region,
        endpoint_url=settings.s3_endpoint_url,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=None if secret is None else secret.get_secret_value(),
        config=Config(
            signature_version=UNSIGNED if secret is None else "s3v4",
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # missing in the published types
            request_checksum_calculation="when_required",  # other stores than AWS's may not know the newer ones
            response_checksum_validation="when_required",
            # One host for all buckets, where the store is not AWS's: it may have no wildcard DNS name.
            s3={"addressing_style": "path"} if settings.s3_endpoint_url else {},
        ),
    )
    home = urlsplit(client.meta.endpoint_url).hostname

    def stay_at_home(request: AWSRequest, **_: Any) -> None:
        # botocore follows a bucket into its own region; Rekognition does not, and neither do we.
        host = urlsplit(str(request.url)).hostname or ""
        if host != home and not host.endswith(f".{home}"):
            raise InvalidS3Object(f"{UNABLE} {_REASONS[301]} This server reads from {settings.s3_region}.")

    client.meta.events.register_first("before-send.s3", stay_at_home)
    return client
