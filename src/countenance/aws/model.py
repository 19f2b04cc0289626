"""Rekognition's own service model, as botocore ships it: the contract of the wire, never retyped by hand."""

from __future__ import annotations

from functools import cache

import regex
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

SERVICE = "rekognition"
API_VERSION = "2016-06-27"


@cache
def service_model() -> ServiceModel:
    """The model of botocore, as installed."""
    description = Loader().load_service_model(SERVICE, "service-2", API_VERSION)
    return ServiceModel(description, SERVICE)


@cache
def operation_names() -> frozenset[str]:
    """Every operation of Rekognition."""
    return frozenset(service_model().operation_names)


@cache
def operation_model(name: str) -> OperationModel:
    """One operation: its input and output shapes and the exceptions it may answer."""
    return service_model().operation_model(name)


@cache
def exception_names() -> frozenset[str]:
    """Every exception that an operation of Rekognition may answer."""
    model = service_model()
    return frozenset(name for name in model.shape_names if model.shape_for(name).metadata.get("exception"))


@cache
def target_prefix() -> str:
    """What stands before the operation's name in X-Amz-Target."""
    return str(service_model().metadata["targetPrefix"])


@cache
def pattern(java: str) -> regex.Pattern[str]:
    r"""A pattern of the model, to be used with `fullmatch` as AWS does.

    The model's patterns are Java's, where \d and \w are ASCII and \p{L} is Unicode; no pattern mixes the two.
    """
    return regex.compile(java, flags=0 if r"\p{" in java else regex.ASCII)
