"""Answers held against Rekognition's model: by botocore's own validator, and by what that leaves out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from botocore.validate import ParamValidator

# What every AWS service may answer before an operation is reached.
COMMON_CODES = {
    "SerializationException",
    "UnknownOperationException",
    "MissingAuthenticationTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "UnrecognizedClientException",
    "RequestEntityTooLargeException",
}


def check_answer(content: bytes, status: int, headers: Mapping[str, str], model: OperationModel) -> None:
    """Raise AssertionError unless this is an answer that the operation may give."""
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["content-type"] == "application/x-amz-json-1.1"
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers["x-amzn-requestid"])
    body = json.loads(content)
    if status == 200:
        check_output(body, model)
        return
    assert status == 400, f"{model.name} answered {status}: {body}"
    modelled = {shape.name for shape in model.error_shapes}
    assert body["__type"] in modelled | COMMON_CODES, f"{model.name} does not model {body['__type']}"
    assert body["__type"] == body["Code"] == headers["x-amzn-errortype"]
    assert body["Logref"] == headers["x-amzn-requestid"]
    assert body["Message"]


def check_output(body: Any, model: OperationModel) -> None:
    """Raise AssertionError unless `body` is what the output shape of the operation says."""
    shape = model.output_shape
    if shape is None:
        assert body == {}
        return
    # The model says that DeletedFaces has at least one item. Where nothing was deleted Amazon still answers the list,
    # and clients count on it.
    checked = {name: value for name, value in body.items() if (name, value) != ("DeletedFaces", [])}
    report = ParamValidator().validate(checked, shape)
    assert not report.has_errors(), f"{model.name}: {report.generate_report()}"
    _check(checked, shape, model.name)


def _check(value: Any, shape: Shape, path: str) -> None:
    assert value is not None, f"{path} is null"
    if isinstance(shape, StructureShape):
        unmodelled = set(value) - set(shape.members)
        assert not unmodelled, f"{path} has {unmodelled}, which the model does not"
        for name, member in value.items():
            _check(member, shape.members[name], f"{path}.{name}")
    elif isinstance(shape, ListShape):
        _check_length(value, shape, path)
        for n, item in enumerate(value):
            _check(item, shape.member, f"{path}[{n}]")
    elif isinstance(shape, MapShape):
        _check_length(value, shape, path)
        for key, item in value.items():
            _check(key, shape.key, f"{path} key")
            _check(item, shape.value, f"{path}.{key}")
    elif shape.type_name == "string":
        _check_length(value, shape, path)
        enum, pattern = shape.metadata.get("enum"), shape.metadata.get("pattern")
        assert enum is None or value in enum, f"{path} is {value}"
        if pattern is not None and r"\p{" not in pattern:
            assert re.fullmatch(pattern, value), f"{path} is {value!r}, not {pattern}"
    elif shape.type_name in {"float", "integer", "long"}:
        assert value <= shape.metadata.get("max", value), f"{path} is {value}"


def _check_length(value: Any, shape: Shape, path: str) -> None:
    length = len(value)
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", length)
    assert low <= length <= high, f"{path} has length {length}"
