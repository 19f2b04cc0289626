"""Responses: the answer of an operation in the shape the service model gives it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

# What a value of each type becomes; no operation on offer answers with a blob.
SCALARS: dict[str, Callable[[Any], str | int | float | bool]] = {
    "string": str,
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "timestamp": float,
    "boolean": bool,
}


def write_response(answer: dict[str, Any], operation: OperationModel) -> bytes:
    """The JSON of an answer. Members that are None are left out; timestamps are epoch seconds, as floats.

    Raises ValueError for a member that the model does not have and for NaN: both are mistakes of ours.
    """
    shape = operation.output_shape
    shaped = {} if shape is None else _structure(answer, shape)
    return json.dumps(shaped, allow_nan=False, separators=(",", ":")).encode()


def _structure(value: dict[str, Any], shape: StructureShape) -> dict[str, Any]:
    unmodelled = value.keys() - shape.members.keys()
    if unmodelled:
        raise ValueError(f"{shape.name} has no member {', '.join(sorted(unmodelled))}")
    return {name: _shape(value[name], member) for name, member in shape.members.items() if value.get(name) is not None}


def _shape(value: Any, shape: Shape) -> Any:
    if isinstance(shape, StructureShape):
        return _structure(value, shape)
    if isinstance(shape, ListShape):
        return [_shape(item, shape.member) for item in value]
    if isinstance(shape, MapShape):
        return {str(key): _shape(item, shape.value) for key, item in value.items()}
    return SCALARS[shape.type_name](value)
