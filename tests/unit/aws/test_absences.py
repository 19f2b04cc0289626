"""Every operation of Rekognition is either carried out or refused with its reason."""

from __future__ import annotations

import pytest

from countenance.aws.absences import ABSENT, not_offered
from countenance.aws.model import operation_model, operation_names
from countenance.aws.operations import OPERATIONS


def test_every_operation_of_the_model_is_accounted_for_once() -> None:
    assert set(OPERATIONS) | set(ABSENT) <= operation_names()
    assert len(OPERATIONS) + len(ABSENT) == 75
    assert not set(OPERATIONS) & set(ABSENT)


@pytest.mark.parametrize("operation", sorted(ABSENT))
def test_what_is_not_offered_answers_an_exception_that_the_operation_models(operation: str) -> None:
    error = not_offered(operation)
    assert error.code in {shape.name for shape in operation_model(operation).error_shapes}
    assert error.message.startswith(f"{operation} is not offered by this server: ")


def test_an_operation_newer_than_the_server_is_refused_too() -> None:
    assert "newer than this server" in not_offered("DetectAuras").message
