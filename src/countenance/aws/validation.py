"""Requests: read from JSON and held against the input shape of their operation, completely.

botocore leaves `max`, `pattern` and `enum` unchecked on the client, and other clients check nothing. What is violated
is answered as AWS words it, all of it at once. Members the model does not name are ignored, as AWS does, so that a
client newer than the server's model is still understood.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from countenance.aws.errors import SerializationException
from countenance.aws.model import pattern
from countenance.errors import InvalidParameter

# Rekognition's deepest input is 8 levels of nesting; ours keeps room for what newer models may add.
MAX_JSON_DEPTH = 16
# Brackets, commas and quotes together. DeleteFaces with its 4,096 ids has 12,300 of them.
MAX_JSON_TOKENS = 50_000
# Longest part of a refused value that is repeated to the caller.
MAX_ECHO = 64

INTEGER_BITS = {"integer": 32, "long": 64}

Request = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Violation:
    """One constraint that one member does not meet. `value` is None where it must not be repeated."""

    path: str
    constraint: str
    value: str | None = None

    def __str__(self) -> str:
        value = "Value" if self.value is None else f"Value {self.value}"
        return f"{value} at '{self.path}' failed to satisfy constraint: {self.constraint}"


def read_request(body: bytes, shape: StructureShape | None) -> Request:
    """The members of a request that the model names, blobs decoded.

    Raises `SerializationException` for what is no JSON object and `InvalidParameter` for one that violates `shape`.
    """
    document = parse(body)
    return {} if shape is None else validated(document, shape)


def validated(document: Mapping[str, Any], shape: StructureShape) -> Request:
    """The members of `document` that the model names, blobs decoded. Raises `InvalidParameter` for what violates it."""
    violations: list[Violation] = []
    request = _structure(document, shape, "", violations)
    if violations:
        count = f"{len(violations)} validation error{'s' if len(violations) > 1 else ''} detected: "
        raise InvalidParameter(count + "; ".join(map(str, violations)))
    return request


def parse(body: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8, bounded in depth and in number of parts before it is parsed.

    Raises `SerializationException`.
    """
    if not body:
        return {}
    _bound(body)
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise SerializationException from error
    if not isinstance(document, dict):
        raise SerializationException
    return document


def _bound(body: bytes) -> None:
    """Refuse JSON that is nested too deeply or made of too many parts, at the speed of a few memory scans."""
    plain = body.replace(rb"\\", b"").replace(rb"\"", b"") if b"\\" in body else body
    tokens = plain.translate(None, delete=bytes(set(range(256)) - set(b'"[]{},')))
    if len(tokens) > MAX_JSON_TOKENS:
        raise SerializationException(f"The body has more than {MAX_JSON_TOKENS} parts.")
    depth = 0
    for outside in tokens.split(b'"')[::2]:
        for token in outside:
            depth += (token in b"[{") - (token in b"]}")
            if depth > MAX_JSON_DEPTH:
                raise SerializationException(f"The body is nested more than {MAX_JSON_DEPTH} deep.")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _structure(value: Mapping[str, Any], shape: StructureShape, path: str, violations: list[Violation]) -> Request:
    request: Request = {}
    for name, member in shape.members.items():
        at = _below(path, name)
        given = value.get(name)
        if given is None:
            if name in shape.required_members:
                violations.append(Violation(at, "Member must not be null", "null"))
            continue
        request[name] = _read(given, member, at, violations)
    return request


def _read(value: Any, shape: Shape, path: str, violations: list[Violation]) -> Any:
    if isinstance(shape, StructureShape):
        if not isinstance(value, dict):
            violations.append(Violation(path, "Member must be a structure", _echo(value)))
            return None
        return _structure(value, shape, path, violations)
    if isinstance(shape, ListShape) and isinstance(shape.member, StructureShape) and isinstance(value, list):
        violations.extend(Violation(path, constraint, "'[...]'") for constraint in _length(value, shape))
        return [_read(item, shape.member, f"{path}.{n}.member", violations) for n, item in enumerate(value, 1)]
    if shape.type_name == "blob":
        blob = _blob(value)
        constraint = "Member must be base64" if blob is None else next(_too_short(blob, shape), None)
        if constraint is not None:
            violations.append(Violation(path, constraint))
        return blob
    violations.extend(Violation(path, constraint, _echo(value)) for constraint in _constraints(value, shape))
    return value


def _constraints(value: Any, shape: Shape) -> Iterator[str]:
    """What a value that is no structure violates, in AWS's words."""
    match shape.type_name:
        case "string":
            yield from _string(value, shape)
        case "integer" | "long" | "float" | "double":
            yield from _number(value, shape)
        case "boolean":
            if not isinstance(value, bool):
                yield "Member must be a boolean"
        case "list":
            assert isinstance(shape, ListShape)
            yield from _list(value, shape)
        case "map":
            assert isinstance(shape, MapShape)
            yield from _map(value, shape)
        case unknown:
            raise NotImplementedError(f"no operation on offer takes a {unknown}")


def _string(value: Any, shape: Shape) -> Iterator[str]:
    if not isinstance(value, str):
        yield "Member must be a string"
        return
    if not _is_text(value):
        yield "Member must be Unicode text"
    yield from _length(value, shape)
    expression = shape.metadata.get("pattern")
    if expression is not None and not pattern(expression).fullmatch(value):
        yield f"Member must satisfy regular expression pattern: {expression}"
    enum = shape.metadata.get("enum")
    if enum is not None and value not in enum:
        yield f"Member must satisfy enum value set: [{', '.join(enum)}]"


def _is_text(value: str) -> bool:
    """Whether no half of a surrogate pair stands alone: JSON can say it, nothing behind us can store it."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _number(value: Any, shape: Shape) -> Iterator[str]:
    bits = INTEGER_BITS.get(shape.type_name)
    if isinstance(value, bool) or not isinstance(value, int if bits else int | float):
        yield f"Member must be {'an integer' if bits else 'a number'}"
        return
    if isinstance(value, float) and not math.isfinite(value):
        yield "Member must be a finite number"
        return
    largest = 2 ** (bits - 1) - 1 if bits else None
    least, most = shape.metadata.get("min"), shape.metadata.get("max", largest)
    if least is not None and value < least:
        yield f"Member must have value greater than or equal to {least}"
    if most is not None and value > most:
        yield f"Member must have value less than or equal to {most}"


def _list(value: Any, shape: ListShape) -> Iterator[str]:
    if not isinstance(value, list):
        yield "Member must be a list"
        return
    yield from _length(value, shape)
    yield from _each(value, shape.member, "Member")


def _map(value: Any, shape: MapShape) -> Iterator[str]:
    if not isinstance(value, dict):
        yield "Member must be a map"
        return
    yield from _length(value, shape)
    yield from _each(value.keys(), shape.key, "Map keys")
    yield from _each(value.values(), shape.value, "Map value")


def _each(values: Any, shape: Shape, who: str) -> Iterator[str]:
    """One constraint that names all that some of the values violate, as AWS words it for lists and maps."""
    violated = {constraint: None for value in values for constraint in _constraints_or_null(value, shape)}
    if violated:
        yield f"{who} must satisfy constraint: [{', '.join(violated)}]"


def _constraints_or_null(value: Any, shape: Shape) -> Iterator[str]:
    if value is None:
        yield "Member must not be null"
    else:
        yield from _constraints(value, shape)


def _length(value: Any, shape: Shape) -> Iterator[str]:
    yield from _too_short(value, shape)
    if len(value) > shape.metadata.get("max", math.inf):
        yield f"Member must have length less than or equal to {shape.metadata['max']}"


def _too_short(value: Any, shape: Shape) -> Iterator[str]:
    # For blobs this is all: how large a photo may be is a setting, and has an exception of its own.
    if len(value) < shape.metadata.get("min", 0):
        yield f"Member must have length greater than or equal to {shape.metadata['min']}"


def _blob(value: Any) -> bytes | None:
    # Python up to 3.12 lets padding pass that is not called for.
    if not isinstance(value, str) or len(value) % 4 or value.count("=") > 2:
        return None
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def _below(path: str, name: str) -> str:
    """AWS names members of the wire as Java names fields: S3Object is s3Object."""
    field = name[0].lower() + name[1:]
    return f"{path}.{field}" if path else field


def _echo(value: Any) -> str:
    """The value, clipped, in quotes."""
    if isinstance(value, dict):
        text = "{" + ", ".join(f"{key}={item}" for key, item in list(value.items())[:MAX_ECHO]) + "}"
    elif isinstance(value, list):
        text = "[" + ", ".join(str(item)[:MAX_ECHO] for item in value[:MAX_ECHO]) + "]"
    else:
        text = str(value)
    return f"'{text[:MAX_ECHO]}…'" if len(text) > MAX_ECHO else f"'{text}'"
