"""How errors are told on the wire: AWS JSON 1.1, with the class of the exception in `__type`; STS has its own way.

Two kinds reach a client: errors that carry the names of Rekognition's own model, as `countenance.errors` has them, and
the refusals below, which every AWS service answers before an operation is reached and which no service model lists.
"""

from __future__ import annotations

import json
import traceback
from typing import ClassVar

from starlette.responses import Response

from countenance.aws.model import exception_names
from countenance.errors import CountenanceError, ImageTooLarge, InvalidImageFormat, Unaccountable

CONTENT_TYPE = "application/x-amz-json-1.1"

# Causes of causes that are told of an unexpected error.
MAX_CAUSES = 8


class Refusal(Exception):
    """The request cannot be understood or its sender is not known."""

    code: ClassVar[str]
    status: ClassVar[int] = 400

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)

    @property
    def message(self) -> str:
        """The sentence for the caller."""
        return str(self.args[0])


class SerializationException(Refusal):
    """The body is not a JSON object in UTF-8."""

    code = "SerializationException"


class UnknownOperationException(Refusal):
    """The X-Amz-Target header names no operation of Amazon Rekognition."""

    code = "UnknownOperationException"


class NotFound(UnknownOperationException):
    """The APIs of Rekognition and STS are served at POST / and nowhere else."""

    status = 404


class MethodNotAllowed(UnknownOperationException):
    """The APIs of Rekognition and STS are served at POST / and nowhere else."""

    status = 405


class MissingAuthenticationTokenException(Refusal):
    """The request has no Authorization header. Sign it with Signature Version 4."""

    code = "MissingAuthenticationTokenException"


class IncompleteSignatureException(Refusal):
    """The Authorization header is not complete."""

    code = "IncompleteSignatureException"


class InvalidSignatureException(Refusal):
    """The request signature we calculated does not match the signature you provided. \
Check your AWS Secret Access Key and signing method."""

    code = "InvalidSignatureException"


class UnrecognizedClientException(Refusal):
    """The security token included in the request is invalid."""

    code = "UnrecognizedClientException"


class ExpiredTokenException(Refusal):
    """The security token included in the request is expired. Begin a new session with AssumeRole."""

    code = "ExpiredTokenException"


class RequestTimeoutException(Refusal):
    """The request did not arrive in time."""

    code = "RequestTimeoutException"
    status = 408


class RequestEntityTooLargeException(Refusal):
    """The request is larger than any request of this API."""

    code = "RequestEntityTooLargeException"
    status = 413


class ThrottlingException(Refusal):
    """Too much is being sent at once. Slow down and try again."""

    code = "ThrottlingException"


INTERNAL_SERVER_ERROR = "InternalServerError"


def error_response(error: Exception, request_id: str) -> Response:
    """The answer that tells a client of `error`.

    Anything that is not meant for a client is an InternalServerError that says nothing but the request id.
    """
    if isinstance(error, Refusal):
        code, message, status = error.code, error.message, error.status
    elif isinstance(error, CountenanceError) and is_for_clients(error):
        status = 500 if isinstance(error, Unaccountable) else 400
        code, message = error.code, _as_documented(error)
    else:
        code, message, status = INTERNAL_SERVER_ERROR, f"Internal server error. Request id: {request_id}", 500
    body = {"__type": code, "Message": message, "Code": code, "Logref": request_id}
    return Response(
        json.dumps(body).encode(), status_code=status, media_type=CONTENT_TYPE, headers={"x-amzn-ErrorType": code}
    )


def is_for_clients(error: Exception) -> bool:
    """Whether a client is told what went wrong. What Rekognition has no exception for is the server's own affair."""
    return isinstance(error, Refusal) or (isinstance(error, CountenanceError) and error.code in exception_names())


def _as_documented(error: CountenanceError) -> str:
    """What is wrong, behind Rekognition's own sentence where clients know it by that."""
    documented = type(error).__doc__ or ""
    if not isinstance(error, ImageTooLarge | InvalidImageFormat) or error.message == documented:
        return error.message
    return f"{documented} {error.message}"


def failure_trace(error: BaseException) -> str:
    """The classes of an unexpected error and its causes, and the lines of code where they arose.

    No message and no value, which a traceback for developers would have: either may quote a name, a template or a
    secret, and this is for the log.
    """
    told: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(told) < MAX_CAUSES:
        lines = "".join(traceback.format_tb(cause.__traceback__))
        told.append(f"{type(cause).__module__}.{type(cause).__qualname__}\n{lines}")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "caused by ".join(told)
