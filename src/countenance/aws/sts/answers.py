"""Answers of the AWS Query protocol: XML in the shape the service model gives them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from botocore.model import OperationModel, Shape, StructureShape

from countenance.aws.sts.model import namespace

MEDIA_TYPE = "text/xml"

# What XML 1.0 cannot say, not even escaped: https://www.w3.org/TR/xml/#charsets
_UNSPEAKABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_answer(answer: dict[str, Any], operation: OperationModel, request_id: str) -> bytes:
    """The XML of an answer. Members that are None are left out; timestamps are epoch seconds and become ISO 8601.

    Raises ValueError for a member that the model does not have: a mistake of ours.
    """
    root = Element(f"{operation.name}Response", xmlns=namespace())
    shape = operation.output_shape
    if shape is not None:
        _structure(SubElement(root, shape.serialization["resultWrapper"]), answer, shape)
    _say(SubElement(root, "ResponseMetadata"), "RequestId", request_id)
    return _written(root)


def write_error(code: str, message: str, request_id: str, *, sender: bool) -> bytes:
    """The XML that tells of an error. `sender`: whether the request was at fault, and not the server."""
    root = Element("ErrorResponse", xmlns=namespace())
    error = SubElement(root, "Error")
    _say(error, "Type", "Sender" if sender else "Receiver")
    _say(error, "Code", code)
    _say(error, "Message", message)
    _say(root, "RequestId", request_id)
    return _written(root)


def _structure(element: Element, value: dict[str, Any], shape: StructureShape) -> None:
    unmodelled = value.keys() - shape.members.keys()
    if unmodelled:
        raise ValueError(f"{shape.name} has no member {', '.join(sorted(unmodelled))}")
    for name, member in shape.members.items():
        if value.get(name) is None:
            continue
        if isinstance(member, StructureShape):
            _structure(SubElement(element, name), value[name], member)
        else:
            _say(element, name, _text(value[name], member))


def _text(value: Any, shape: Shape) -> str:
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if shape.type_name in {"string", "integer"}:
        return str(value)
    raise NotImplementedError(f"no operation on offer answers a {shape.type_name}")


def _say(element: Element, name: str, text: str) -> None:
    SubElement(element, name).text = _UNSPEAKABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _written(root: Element) -> bytes:
    content: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return content
