"""Any service that speaks Amazon Rekognition's API, asked from outside.

Photos are sent to the service: whoever asks answers for that. Credentials come from where the AWS SDK looks for them.
Calls are made no faster than asked; botocore waits and tries again where the service throttles or fails.

Trust: whoever runs the service decides what it answers; every value is held against Rekognition's bounds.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import boto3
import numpy as np
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from numpy.typing import NDArray

from countenance.errors import InvalidParameter, Misconfigured
from countenance.fairness.data.journal import Journal, key_of
from countenance.fairness.endpoints.plans import DEFAULT_RATE, MAX_SEARCHED

# Calls under way at a time; more do not help at the rates that services permit.
CALLS_AT_ONCE = 4

# Throttled calls are tried again so often, with growing pauses of up to 20 seconds.
MAX_ATTEMPTS = 10

# What Rekognition takes as Image.Bytes.
MAX_IMAGE_BYTES = 5 * 1024**2

# What it answers when a photo has no face, or is not one. Anything else that it refuses says nothing of the photo.
NO_FACE = frozenset({"InvalidParameterException", "InvalidImageFormatException", "ImageTooLargeException"})

HIGHEST = 100.0

# The Similarity of two photos, or which of them has no face.
Answer = float | Literal["source", "target"]


class Endpoint:
    """The service. Raises `Misconfigured` where it cannot be reached or refuses, from any method."""

    def __init__(
        self, url: str | None, *, region: str | None = None, profile: str | None = None, rate: float = DEFAULT_RATE
    ) -> None:
        """`url` None: Amazon's own. `rate`: calls a second, at most."""
        if url is not None and not url.startswith(("http://", "https://")):
            raise InvalidParameter(f"{url!r} is no address of an endpoint: it begins with https:// or http://.")
        with _told():
            session = boto3.Session(profile_name=profile, region_name=region)
            config = Config(
                retries={"mode": "standard", "max_attempts": MAX_ATTEMPTS}, max_pool_connections=CALLS_AT_ONCE
            )
            self.client: Any = session.client("rekognition", endpoint_url=url, config=config)
        self.name = str(self.client.meta.endpoint_url)
        self._pause = 1 / rate
        self._turn = threading.Lock()
        self._next = 0.0

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """One call, when its turn has come. Raises `ClientError` for what the service refuses."""
        with self._turn:
            now = time.monotonic()
            wait = max(0.0, self._next - now)
            self._next = max(self._next, now) + self._pause
        time.sleep(wait)
        answer: dict[str, Any] = getattr(self.client, operation)(**request)
        return answer

    def compare(self, source: bytes, target: bytes) -> Answer:
        """How alike the largest faces of two photos are.

        A refusal is the source's: only photos that were found to have a face are ever targets of others.
        """
        if not _can_be_sent(source):
            return "source"
        images = {"SourceImage": {"Bytes": source}, "TargetImage": {"Bytes": target}}
        try:
            with _told(but=NO_FACE):
                answer = self.call("compare_faces", **images, SimilarityThreshold=0.0, QualityFilter="NONE")
        except ClientError:
            return "source"
        matched = [(match["Face"], _similarity(match)) for match in answer.get("FaceMatches", ())]
        faces = [*matched, *((face, 0.0) for face in answer.get("UnmatchedFaces", ()))]
        if not faces:
            return "target"
        return max(faces, key=lambda face: _area(face[0]))[1]

    @contextmanager
    def collection(self, journal: Journal | None) -> Iterator[tuple[str, str | None]]:
        """The id of a new collection and the face model version it says; the collection is deleted in the end.

        One that an earlier run had to leave behind, because it was killed, is deleted first.
        """
        key = key_of(self.name, "collection")
        left_behind = journal and journal.find(key)
        if left_behind:
            self._delete(left_behind.decode())
        name = f"countenance-audit-{uuid.uuid4()}"
        if journal:
            journal.record(key, name.encode())
        with _told():
            answer = self.call("create_collection", CollectionId=name)
        try:
            yield name, answer.get("FaceModelVersion")
        finally:
            self._delete(name)
            if journal:
                journal.record(key, b"")

    def _delete(self, name: str) -> None:
        try:
            with _told(but=frozenset({"ResourceNotFoundException"})):
                self.call("delete_collection", CollectionId=name)
        except ClientError:
            return
        except Misconfigured as error:
            raise Misconfigured(f"The collection {name} is still there: delete it. {error.message}") from error

    def index(self, collection: str, place: int, photo: bytes) -> str | None:
        """The FaceId of the largest face, enrolled under its place; None where there is no face."""
        if not _can_be_sent(photo):
            return None
        request = {"CollectionId": collection, "ExternalImageId": str(place), "Image": {"Bytes": photo}}
        try:
            with _told(but=NO_FACE):
                answer = self.call("index_faces", **request, MaxFaces=1, QualityFilter="NONE")
        except ClientError:
            return None
        records = answer.get("FaceRecords", ())
        return str(records[0]["Face"]["FaceId"]) if records else None

    def search(self, collection: str, face_id: str, places: int) -> NDArray[np.float64]:
        """The Similarity of a face to that of every place (places,); NaN where the service did not say."""
        with _told():
            answer = self.call(
                "search_faces",
                CollectionId=collection,
                FaceId=face_id,
                FaceMatchThreshold=0.0,
                MaxFaces=MAX_SEARCHED,
            )
        found = np.full(places, np.nan)
        for match in answer.get("FaceMatches", ()):
            place = match["Face"].get("ExternalImageId", "")
            if not place.isdecimal() or int(place) >= places:
                raise Misconfigured(f"The endpoint answered a face that nobody enrolled: {place!r}.")
            found[int(place)] = _similarity(match)
        return found


@contextmanager
def _told(but: frozenset[str] = frozenset()) -> Iterator[None]:
    """What the SDK raises, as sentences of ours; errors with the codes of `but` as they are."""
    try:
        yield
    except ClientError as error:
        answer = error.response.get("Error", {})
        if answer.get("Code") in but:
            raise
        raise Misconfigured(f"The endpoint answered {answer.get('Code')}: {answer.get('Message')}") from error
    except BotoCoreError as error:
        raise Misconfigured(f"The endpoint cannot be asked: {error}") from error


def _can_be_sent(photo: bytes) -> bool:
    return 0 < len(photo) <= MAX_IMAGE_BYTES


def _similarity(match: dict[str, Any]) -> float:
    similarity = match.get("Similarity")
    if not isinstance(similarity, float | int) or not 0 <= similarity <= HIGHEST:
        raise Misconfigured(f"The endpoint answered an impossible Similarity: {similarity!r}.")
    return float(similarity)


def _area(face: dict[str, Any]) -> float:
    box = face.get("BoundingBox", {})
    width, height = box.get("Width"), box.get("Height")
    if not all(isinstance(side, float | int) and math.isfinite(side) for side in (width, height)):
        raise Misconfigured("The endpoint answered a face without a BoundingBox.")
    return float(width) * float(height)
