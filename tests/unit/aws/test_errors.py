"""What a client is told when something went wrong."""

from __future__ import annotations

import json

import pytest

from countenance import errors
from countenance.aws.errors import InvalidSignatureException, error_response, failure_trace
from countenance.aws.model import service_model


def test_the_body_names_the_class_and_the_header_repeats_it() -> None:
    response = error_response(errors.ResourceNotFound("The collection id: x does not exist"), "id-1")
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/x-amz-json-1.1"
    assert response.headers["x-amzn-errortype"] == "ResourceNotFoundException"
    assert json.loads(response.body) == {
        "__type": "ResourceNotFoundException",
        "Message": "The collection id: x does not exist",
        "Code": "ResourceNotFoundException",
        "Logref": "id-1",
    }


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.InvalidImageFormat("It is a poem."), "Request has invalid image format. It is a poem."),
        (errors.ImageTooLarge("It has 9 bytes."), "Image size is too large. It has 9 bytes."),
        (errors.ImageTooLarge(), "Image size is too large."),
    ],
)
def test_clients_find_the_sentence_they_know(error: Exception, message: str) -> None:
    assert json.loads(error_response(error, "id-1").body)["Message"] == message


def test_a_refused_signature_is_a_client_error() -> None:
    response = error_response(InvalidSignatureException(), "id-1")
    assert response.status_code == 400
    assert json.loads(response.body)["__type"] == "InvalidSignatureException"


@pytest.mark.parametrize("error", [RuntimeError("/srv/secret.key"), errors.Misconfigured("/srv/secret.key")])
def test_what_is_our_own_fault_is_told_without_details(error: Exception) -> None:
    response = error_response(error, "id-1")
    assert response.status_code == 500
    body = json.loads(response.body)
    assert body["__type"] == "InternalServerError"
    assert "id-1" in body["Message"]
    assert "secret" not in body["Message"]


KINDS = [kind for kind in errors.CountenanceError.__subclasses__() if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("error", KINDS, ids=lambda error: str(error.__name__))
def test_every_error_is_an_exception_of_the_service_model(error: type[errors.CountenanceError]) -> None:
    if error is not errors.Misconfigured:
        assert service_model().shape_for(error.code).metadata["exception"]


def test_what_rekognition_has_no_exception_for_is_told_without_details() -> None:
    class Fork(errors.CountenanceError):
        """The witness has seen another ledger."""

        code = "Fork"

    response = error_response(Fork(), "id-1")
    assert response.status_code == 500
    assert "witness" not in json.loads(response.body)["Message"]


def test_what_cannot_be_recorded_is_a_fault_of_the_server_with_its_reason() -> None:
    response = error_response(errors.Unaccountable("The disk of the ledger is full."), "id-1")
    assert response.status_code == 500
    body = json.loads(response.body)
    assert (body["__type"], body["Message"]) == ("InternalServerError", "The disk of the ledger is full.")


def test_the_log_learns_where_it_failed_and_no_value() -> None:
    name = "-".join(["some", "body"])

    def read_template() -> None:
        raise KeyError(name)

    with pytest.raises(RuntimeError) as failed:  # noqa: PT012 -- the chain is what is tested
        try:
            read_template()
        except KeyError as error:
            raise RuntimeError(f"the template of {name} is broken") from error
    trace = failure_trace(failed.value)
    assert trace.index("builtins.RuntimeError") < trace.index("caused by builtins.KeyError")
    assert "in read_template" in trace
    assert name not in trace
