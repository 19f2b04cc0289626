"""What a client of STS is told when something went wrong."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from starlette.responses import Response

from countenance import errors as sentences
from countenance.aws import errors
from countenance.aws.sts.errors import InvalidAction, MissingAction, error_response


def told(response: Response) -> tuple[int, str, str]:
    """The status, the code and the message."""
    found = {element.tag.rpartition("}")[2]: element.text for element in ElementTree.fromstring(response.body).iter()}
    assert response.headers["content-type"].startswith("text/xml")
    assert found["RequestId"] == "id-1"
    assert found["Type"] == ("Sender" if response.status_code < 500 else "Receiver")
    return response.status_code, str(found["Code"]), str(found["Message"])


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.UnrecognizedClientException(), 403, "InvalidClientTokenId"),
        (errors.InvalidSignatureException(), 403, "SignatureDoesNotMatch"),
        (errors.ExpiredTokenException(), 403, "ExpiredTokenException"),
        (errors.MissingAuthenticationTokenException(), 403, "MissingAuthenticationToken"),
        (errors.IncompleteSignatureException(), 400, "IncompleteSignature"),
        (errors.ThrottlingException(), 400, "Throttling"),
        (errors.RequestEntityTooLargeException(), 413, "RequestEntityTooLarge"),
        (errors.RequestTimeoutException(), 408, "RequestTimeout"),
        (errors.SerializationException(), 400, "ValidationError"),
        (errors.UnknownOperationException(), 400, "InvalidAction"),
        (InvalidAction(), 400, "InvalidAction"),
        (MissingAction(), 400, "MissingAction"),
        (sentences.AccessDenied("No."), 403, "AccessDenied"),
        (sentences.ResourceNotFound("There is no such role."), 403, "AccessDenied"),
        (sentences.InvalidParameter("It is empty."), 400, "ValidationError"),
        (sentences.Unaccountable("The disk is full."), 500, "InternalFailure"),
        (sentences.ServiceQuotaExceeded(), 400, "ServiceQuotaExceededException"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_have_stss_codes_and_keep_their_sentences(error: Exception, status: int, code: str) -> None:
    assert told(error_response(error, "id-1")) == (status, code, str(error))


@pytest.mark.parametrize("error", [RuntimeError("/srv/secret.key"), sentences.Misconfigured("/srv/secret.key")])
def test_what_is_our_own_fault_is_told_without_details(error: Exception) -> None:
    status, code, message = told(error_response(error, "id-1"))
    assert (status, code) == (500, "InternalFailure")
    assert message == "Internal server error. Request id: id-1"
