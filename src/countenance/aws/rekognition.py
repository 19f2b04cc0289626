"""Rekognition's protocol: AWS JSON 1.1, the operation named in X-Amz-Target."""

from __future__ import annotations

from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from countenance.aws.absences import not_offered
from countenance.aws.errors import (
    CONTENT_TYPE,
    RequestEntityTooLargeException,
    SerializationException,
    UnknownOperationException,
    error_response,
)
from countenance.aws.model import SERVICE, operation_model, operation_names, target_prefix
from countenance.aws.operations import OPERATIONS
from countenance.aws.operations.calls import Call
from countenance.aws.protocols import Undertaking, media_type
from countenance.aws.shaping import write_response
from countenance.aws.validation import read_request
from countenance.errors import ImageTooLarge
from countenance.service.application import Application
from countenance.service.callers import Caller


class Rekognition:
    """Amazon Rekognition's API."""

    service: ClassVar[str] = SERVICE
    path: ClassVar[str] = "/"
    media_type: ClassVar[str] = CONTENT_TYPE

    def begin(self, request: Request) -> Undertaking:
        """The operation that the headers ask for, which Rekognition has.

        Raises `UnknownOperationException` and `SerializationException` for a request in another protocol.
        """
        name = _operation_name(request)
        operation = OPERATIONS.get(name)

        def carry_out(application: Application, caller: Caller, body: bytes) -> bytes:
            if operation is None:
                raise not_offered(name)
            model = operation_model(name)
            call = Call(application, caller, read_request(body, model.input_shape))
            return write_response(operation.handle(call), model)

        recognises = operation is not None and operation.recognises
        return Undertaking(
            carry_out,
            too_large=ImageTooLarge if recognises else RequestEntityTooLargeException,
            recognises=recognises,
        )

    def error_response(self, error: Exception, request_id: str) -> Response:
        """JSON, with the class of the exception in `__type`."""
        return error_response(error, request_id)


def _operation_name(request: Request) -> str:
    if request.url.query:
        raise UnknownOperationException("This API takes no query string; presigned requests are not accepted.")
    prefix, _, name = request.headers.get("x-amz-target", "").partition(".")
    if prefix != target_prefix() or name not in operation_names():
        raise UnknownOperationException
    if media_type(request) != CONTENT_TYPE:
        raise SerializationException(f"Content-Type must be {CONTENT_TYPE}.")
    if "content-encoding" in request.headers:
        raise SerializationException("A body with a Content-Encoding is not accepted.")
    return name
