"""STS's protocol: AWS Query, the operation named in the form that is the body, and answers in XML."""

from __future__ import annotations

from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from countenance.aws.errors import (
    RequestEntityTooLargeException,
    SerializationException,
    UnknownOperationException,
)
from countenance.aws.operations.calls import Call
from countenance.aws.protocols import Undertaking
from countenance.aws.sts.answers import MEDIA_TYPE, write_answer
from countenance.aws.sts.errors import InvalidAction, MissingAction, error_response
from countenance.aws.sts.model import API_VERSION, SERVICE, operation_model, operation_names
from countenance.aws.sts.operations import OPERATIONS, not_offered
from countenance.aws.sts.query import MAX_FORM_BYTES, parse_form, read_form
from countenance.aws.validation import MAX_ECHO
from countenance.service.application import Application
from countenance.service.callers import Caller

# What tells the requests of this protocol from those of others.
CONTENT_TYPE = "application/x-www-form-urlencoded"


class SecurityTokenService:
    """AWS Security Token Service's API."""

    service: ClassVar[str] = SERVICE
    path: ClassVar[str] = "/"
    media_type: ClassVar[str] = MEDIA_TYPE

    def begin(self, request: Request) -> Undertaking:
        """Nothing of what is asked for stands in the head. Raises `Refusal` for one that has what STS does not take."""
        if request.url.query:
            raise UnknownOperationException("This API takes no query string; presigned requests are not accepted.")
        if "content-encoding" in request.headers:
            raise SerializationException("A body with a Content-Encoding is not accepted.")
        request_id: str = request.state.request_id

        def carry_out(application: Application, caller: Caller, body: bytes) -> bytes:
            form = parse_form(body)
            action = _action(form.get("Action"), form.get("Version"))
            operation = OPERATIONS.get(action)
            if operation is None:
                raise not_offered(action)
            model = operation_model(action)
            call = Call(application, caller, read_form(form, model.input_shape))
            return write_answer(operation.handle(call), model, request_id)

        return Undertaking(carry_out, too_large=RequestEntityTooLargeException, max_bytes=MAX_FORM_BYTES)

    def error_response(self, error: Exception, request_id: str) -> Response:
        """XML, in STS's own codes."""
        return error_response(error, request_id)


def _action(action: str | None, version: str | None) -> str:
    """The operation that is asked for, which STS has. Raises `MissingAction` and `InvalidAction`."""
    if not action:
        raise MissingAction
    if version != API_VERSION or action not in operation_names():
        asked = f"{action[:MAX_ECHO]} for version {(version or 'NO_VERSION_SPECIFIED')[:MAX_ECHO]}"
        raise InvalidAction(f"Could not find operation {asked}.")
    return action
