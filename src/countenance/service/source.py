"""A collection of another Rekognition endpoint, read through its API: Amazon's own, or another Countenance.

Trust: whoever runs the source decides which ids and boxes are said to be there; every value is held against
Rekognition's own bounds before it is used, and the templates are made here, from the operator's photos.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from countenance.errors import InvalidParameter, Misconfigured, ResourceNotFound
from countenance.faces import BoundingBox
from countenance.gallery.collection_file import PATTERNS

# Amazon throttles listings at a few requests a second; botocore slows down and tries again. More attempts would let a
# mistyped endpoint wait for a minute.
MAX_ATTEMPTS = 5

# The largest pages of ListFaces and ListUsers.
FACES_PAGE, USERS_PAGE = 4096, 500


@dataclass(frozen=True, slots=True)
class SourceFace:
    """A face as ListFaces gives it."""

    face_id: str
    image_id: str
    external_image_id: str | None
    bounding_box: BoundingBox
    user_id: str | None


class SourceCollection:
    """Reads one collection. Everything here raises `ResourceNotFound` when it is not there, and `Misconfigured` when
    the endpoint cannot be reached or refuses."""

    def __init__(
        self, collection_id: str, *, endpoint_url: str | None, region: str | None, profile: str | None
    ) -> None:
        """Credentials come from where the AWS SDK looks for them: the profile, the environment, the machine's role."""
        self._collection_id = collection_id
        with _told():
            session = boto3.Session(profile_name=profile, region_name=region)
            config = Config(retries={"mode": "adaptive", "max_attempts": MAX_ATTEMPTS})
            self._client: Any = session.client("rekognition", endpoint_url=endpoint_url, config=config)

    def face_count(self) -> int:
        """How many faces there are."""
        with _told():
            return int(self._client.describe_collection(CollectionId=self._collection_id)["FaceCount"])

    def tags(self) -> dict[str, str]:
        """The collection's tags."""
        with _told():
            described = self._client.describe_collection(CollectionId=self._collection_id)
            return dict(self._client.list_tags_for_resource(ResourceArn=described["CollectionARN"])["Tags"])

    def faces(self) -> Iterator[SourceFace]:
        """Every face, in the order of the source. Raises `InvalidParameter` for what no Rekognition would answer."""
        for page in self._pages("list_faces", FACES_PAGE):
            yield from (_face(face) for face in page["Faces"])

    def user_ids(self) -> Iterator[str]:
        """Every user."""
        for page in self._pages("list_users", USERS_PAGE):
            yield from (_text(user, "UserId", "user_id") for user in page["Users"])

    def _pages(self, operation: str, size: int) -> Iterator[Mapping[str, Any]]:
        request: dict[str, Any] = {"CollectionId": self._collection_id, "MaxResults": size}
        while True:
            with _told():
                page = getattr(self._client, operation)(**request)
            yield page
            if not page.get("NextToken"):
                return
            request["NextToken"] = page["NextToken"]


@contextmanager
def _told() -> Iterator[None]:
    """What the SDK raises, as sentences of ours."""
    try:
        yield
    except ClientError as error:
        answer = error.response.get("Error", {})
        sentence = f"The source answered {answer.get('Code')}: {answer.get('Message')}"
        if answer.get("Code") == "ResourceNotFoundException":
            raise ResourceNotFound(sentence) from error
        raise Misconfigured(sentence) from error
    except BotoCoreError as error:
        raise Misconfigured(f"The source cannot be read: {error}") from error


def _face(face: Mapping[str, Any]) -> SourceFace:
    box = face.get("BoundingBox", {})
    edges = [box.get(edge) for edge in ("Left", "Top", "Width", "Height")]
    if not all(isinstance(edge, float | int) and math.isfinite(edge) for edge in edges):
        raise InvalidParameter("The source answered a face without a BoundingBox.")
    return SourceFace(
        face_id=_text(face, "FaceId", "face_id"),
        image_id=_text(face, "ImageId", "image_id"),
        external_image_id=_optional(face, "ExternalImageId", "external_image_id"),
        bounding_box=BoundingBox(*map(float, edges)),
        user_id=_optional(face, "UserId", "user_id"),
    )


def _optional(structure: Mapping[str, Any], member: str, kind: str) -> str | None:
    return None if structure.get(member) is None else _text(structure, member, kind)


def _text(structure: Mapping[str, Any], member: str, kind: str) -> str:
    value = structure.get(member)
    if not isinstance(value, str) or not re.search(PATTERNS[kind], value):
        raise InvalidParameter(f"The source answered an impossible {member}.")
    return value
