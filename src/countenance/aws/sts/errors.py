"""How STS tells errors: XML, with codes and statuses of its own for what other services say otherwise."""

from __future__ import annotations

from starlette.responses import Response

from countenance.aws import errors
from countenance.aws.sts.answers import MEDIA_TYPE, write_error
from countenance.errors import (
    AccessDenied,
    CountenanceError,
    InvalidParameter,
    ResourceNotFound,
    Unaccountable,
)

INTERNAL_FAILURE = "InternalFailure"


class MissingAction(errors.Refusal):
    """The request names no Action."""

    code = "MissingAction"


class InvalidAction(errors.Refusal):
    """STS has no such action."""

    code = "InvalidAction"


# By the class of the error: STS's code for it, and the HTTP status.
_TOLD: dict[type[Exception], tuple[str, int]] = {
    errors.SerializationException: ("ValidationError", 400),
    errors.UnknownOperationException: ("InvalidAction", 400),
    errors.MissingAuthenticationTokenException: ("MissingAuthenticationToken", 403),
    errors.IncompleteSignatureException: ("IncompleteSignature", 400),
    errors.InvalidSignatureException: ("SignatureDoesNotMatch", 403),
    errors.UnrecognizedClientException: ("InvalidClientTokenId", 403),
    errors.ExpiredTokenException: ("ExpiredTokenException", 403),
    errors.RequestTimeoutException: ("RequestTimeout", 408),
    errors.RequestEntityTooLargeException: ("RequestEntityTooLarge", 413),
    errors.ThrottlingException: ("Throttling", 400),
    InvalidParameter: ("ValidationError", 400),
    AccessDenied: ("AccessDenied", 403),
    # Of a role that does not exist STS says no more than of one that may not be assumed.
    ResourceNotFound: ("AccessDenied", 403),
    Unaccountable: (INTERNAL_FAILURE, 500),
}


def error_response(error: Exception, request_id: str) -> Response:
    """The answer that tells a client of `error`.

    Anything that is not meant for a client is an InternalFailure that says nothing but the request id.
    """
    if isinstance(error, errors.Refusal | CountenanceError) and errors.is_for_clients(error):
        code, status = _TOLD.get(type(error), (error.code, 400))
        message = error.message
    else:
        code, status = INTERNAL_FAILURE, 500
        message = f"Internal server error. Request id: {request_id}"
    content = write_error(code, message, request_id, sender=status < 500)
    return Response(content, status_code=status, media_type=MEDIA_TYPE)
