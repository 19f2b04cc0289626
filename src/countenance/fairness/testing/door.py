"""The server's door for independent tests, from outside: requests signed with an access key, answers checked.

Trust: whoever runs the server decides what it answers; that the photos were received is seen by their hashes, and by
what the answer was made is in the ledger (`evidence`). Credentials come from where the AWS SDK looks for them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Self

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session
from pydantic import BaseModel, ConfigDict, Field, model_validator

from countenance.errors import Misconfigured
from countenance.fairness.testing.terms import PATH
from countenance.ledger.fetching import Server

SERVICE = "rekognition"
# Countenance's own, where the configuration names none.
DEFAULT_REGION = "us-east-1"

# Photos of one request may wait for those of others.
ANSWER_SECONDS = 300

# Attempts at one request, and the seconds before the second; each further wait is twice as long.
ATTEMPTS = 5
WAIT_SECONDS = 1.0

RECEIPT = "x-countenance-receipt"

_AGAIN = frozenset({"ThrottlingException", "RequestTimeoutException", "InternalServerError"})

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False, populate_by_name=True)


class Pins(_Part):
    """What computed the scores: the face model version, and the SHA-256 of its files and of its calibration."""

    face_model_version: str = Field(alias="FaceModelVersion")
    files: tuple[Digest, ...] = Field(alias="Files", min_length=1)
    calibration: Digest = Field(alias="Calibration")


class Failure(_Part):
    """Why a photo has no template (ISO/IEC 19795-1: failure to enrol)."""

    code: str = Field(alias="Code")
    message: str = Field(alias="Message")


class TriedPhoto(_Part):
    """A photo as the server received it."""

    sha256: Digest = Field(alias="SHA256")
    failure: Failure | None = Field(None, alias="FailureToEnrol")


class ScoredPair(_Part):
    """Cosine (-1 to 1) and Similarity (0 to 100) of two photos; None where one has no template."""

    left: int = Field(alias="Left")
    right: int = Field(alias="Right")
    cosine: float | None = Field(alias="Cosine", ge=-1.0001, le=1.0001)
    similarity: float | None = Field(alias="Similarity", ge=0, le=100)


class Answer(_Part):
    """What the server says of one request."""

    model: Pins = Field(alias="Model")
    photos: tuple[TriedPhoto, ...] = Field(alias="Photos")
    pairs: tuple[ScoredPair, ...] = Field(alias="Pairs")

    @model_validator(mode="after")
    def _scores_what_has_templates(self) -> Self:
        for pair in self.pairs:
            if not 0 <= min(pair.left, pair.right) <= max(pair.left, pair.right) < len(self.photos):
                raise ValueError("a pair is of photos that there are")
            failed = any(self.photos[place].failure is not None for place in (pair.left, pair.right))
            if (pair.cosine is None, pair.similarity is None) != (failed, failed):
                raise ValueError("a pair is scored if, and only if, both of its photos have templates")
        return self


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came, which is what its hash in the ledger is of, and the number of the entry that has it."""

    answer: Answer
    text: str
    receipt: int


class RequestTooLarge(Misconfigured):
    """The server takes no request of so many bytes."""


class Door:
    """Sends tests to one server. Raises `Misconfigured` when it cannot be reached or refuses."""

    def __init__(self, endpoint_url: str, *, region: str | None = None, profile: str | None = None) -> None:
        """Raises `Unreachable` for what is no URL, and `Misconfigured` without an access key. Nothing is sent yet."""
        self.endpoint_url = Server(endpoint_url).url
        try:
            session = boto3.Session(profile_name=profile, region_name=region)
            credentials = session.get_credentials()
        except BotoCoreError as error:
            raise Misconfigured(f"{error}.") from error
        if credentials is None:
            raise Misconfigured(
                "There is no access key: have the operator create one for the purpose bias_test, and give it as "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or in a profile."
            )
        self._signer = SigV4Auth(credentials, SERVICE, session.region_name or DEFAULT_REGION)
        self._http = URLLib3Session(timeout=ANSWER_SECONDS)

    def test(
        self, photos: Sequence[bytes], pairs: Sequence[tuple[int, int]], face_model_version: str | None = None
    ) -> Reply:
        """What the server says of these photos, the files themselves, and of the pairs, which are places in them.

        Raises `RequestTooLarge`, and `Misconfigured` also for an answer that is none to this request.
        """
        request: dict[str, Any] = {
            "Photos": [{"Bytes": base64.b64encode(photo).decode()} for photo in photos],
            "Pairs": [{"Left": left, "Right": right} for left, right in pairs],
        }
        if face_model_version is not None:
            request["FaceModelVersion"] = face_model_version
        reply = self._reply(json.dumps(request).encode())
        answer = reply.answer
        if [photo.sha256 for photo in answer.photos] != [hashlib.sha256(photo).hexdigest() for photo in photos]:
            raise Misconfigured(f"{self.endpoint_url} answers about other photos than it was sent.")
        if [(pair.left, pair.right) for pair in answer.pairs] != list(pairs):
            raise Misconfigured(f"{self.endpoint_url} answers about other pairs than it was asked for.")
        return reply

    def close(self) -> None:
        """Ends the connections."""
        self._http.close()

    def _reply(self, body: bytes) -> Reply:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(WAIT_SECONDS * 2 ** (attempt - 1))
            try:
                # Signed anew each time: a signature that was used is no longer taken.
                response = self._http.send(self._signed(body))
                status, content, headers = response.status_code, response.content, response.headers
            except BotoCoreError as error:
                complaint = f"{self.endpoint_url} does not answer: {error}"
                continue
            if status == HTTPStatus.OK:
                return self._read(content, headers.get(RECEIPT))
            code, message = _told(content)
            complaint = f"The server answered {code or status}: {message}"
            if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                raise RequestTooLarge(complaint)
            if code not in _AGAIN:
                break
        raise Misconfigured(complaint)

    def _signed(self, body: bytes) -> Any:
        request = AWSRequest(
            method="POST",
            url=f"{self.endpoint_url}{PATH}",
            data=body,
            headers={"Content-Type": "application/json"},
        )
        self._signer.add_auth(request)
        return request.prepare()

    def _read(self, content: bytes, receipt: str | None) -> Reply:
        try:
            return Reply(Answer.model_validate_json(content), content.decode(), int(receipt or ""))
        except ValueError as error:
            raise Misconfigured(f"{self.endpoint_url} answers what is no answer to a test of pairs.") from error


def _told(content: bytes) -> tuple[str | None, str]:
    """The exception and its sentence, of an answer that is one."""
    try:
        said = json.loads(content)
        return str(said["Code"]), str(said["Message"])
    except (ValueError, KeyError, TypeError):
        return None, "it says nothing more."
