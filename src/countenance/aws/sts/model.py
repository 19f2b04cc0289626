"""STS's own service model, as botocore ships it."""

from __future__ import annotations

from functools import cache

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

SERVICE = "sts"
API_VERSION = "2011-06-15"


@cache
def service_model() -> ServiceModel:
    """The model of botocore, as installed."""
    return ServiceModel(Loader().load_service_model(SERVICE, "service-2", API_VERSION), SERVICE)


@cache
def operation_names() -> frozenset[str]:
    """Every operation of STS."""
    return frozenset(service_model().operation_names)


@cache
def operation_model(name: str) -> OperationModel:
    """One operation: its input and output shapes and the exceptions it may answer."""
    return service_model().operation_model(name)


@cache
def namespace() -> str:
    """The XML namespace of every answer."""
    return str(service_model().metadata["xmlNamespace"])
