"""Requests of the AWS Query protocol: a form whose fields spell out a structure, as in `Tags.member.1.Key=purpose`.

https://smithy.io/2.0/aws/protocols/aws-query-protocol.html

The fields are put together to the structure that the service model describes, which is then validated like any
other. What does not fit the model is refused, and not ignored as it is where requests come in JSON: STS's parameters
may restrict what a session can do, and one that is overlooked would give out more than was asked for.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from botocore.model import ListShape, Shape, StructureShape

from countenance.aws.validation import MAX_ECHO, Request, validated
from countenance.errors import InvalidParameter

# AssumeRole with everything it may have, 50 tags and a policy of 2,048 characters, takes about 60 KB when every
# character is escaped, and some 130 fields.
MAX_FORM_BYTES = 65_536
MAX_FIELDS = 256
# Parts of a field's name: the model's deepest is Tags.member.1.Key.
MAX_DEPTH = 8

# Fields that are no parameters of an operation.
PROTOCOL_FIELDS = frozenset({"Action", "Version"})

_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_NUMBER = re.compile(r"[1-9]\d{0,3}", re.ASCII)

# What a field's name leads to: a value, or more names.
Tree = dict[str, "str | Tree"]


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of a form in UTF-8. Raises `InvalidParameter` for what is none and for a field given twice."""
    if not body:
        return {}
    try:
        fields = urllib.parse.parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError as error:
        raise InvalidParameter(f"The body is not a form of at most {MAX_FIELDS} fields in UTF-8.") from error
    form = dict(fields)
    if len(form) < len(fields):
        raise InvalidParameter("A parameter is given more than once.")
    return form


def read_form(form: Mapping[str, str], shape: StructureShape | None) -> Request:
    """The parameters of an operation, valid against its input shape.

    Raises `InvalidParameter` for parameters the operation does not have and for what violates the shape.
    """
    tree = _tree({name: value for name, value in form.items() if name not in PROTOCOL_FIELDS})
    if shape is None or not shape.members:
        if tree:
            raise _unknown(next(iter(tree)))
        return {}
    return validated(_structure(tree, shape, ""), shape)


def _tree(form: Mapping[str, str]) -> Tree:
    tree: Tree = {}
    for name, value in form.items():
        *above, last = name.split(".")
        if len(above) >= MAX_DEPTH:
            raise _unknown(name)
        node = tree
        for part in above:
            below = node.setdefault(part, {})
            if isinstance(below, str):
                raise _unknown(name)
            node = below
        if last in node:
            raise _unknown(name)
        node[last] = value
    return tree


def _read(node: str | Tree, shape: Shape, path: str) -> Any:
    if isinstance(shape, StructureShape):
        if isinstance(node, str):
            raise _unknown(path)
        return _structure(node, shape, path)
    if isinstance(shape, ListShape):
        return _list(node, shape, path)
    if not isinstance(node, str):
        raise _unknown(f"{path}.{next(iter(node))}")
    if shape.type_name in {"integer", "long"} and _INTEGER.fullmatch(node):
        return int(node)
    return node


def _structure(tree: Tree, shape: StructureShape, path: str) -> dict[str, Any]:
    members = {str(member.serialization.get("name", name)): (name, member) for name, member in shape.members.items()}
    structure = {}
    for field, node in tree.items():
        at = f"{path}.{field}" if path else field
        if field not in members:
            raise _unknown(at)
        name, member = members[field]
        structure[name] = _read(node, member, at)
    return structure


def _list(node: str | Tree, shape: ListShape, path: str) -> list[Any]:
    if isinstance(node, str):
        if node:
            raise _unknown(path)
        return []  # how an empty list is written
    word = str(shape.member.serialization.get("name", "member"))
    numbered = node.get(word)
    if len(node) > 1 or not isinstance(numbered, dict):
        raise _unknown(f"{path}.{next(iter(node))}")
    wrong = next((number for number in numbered if not _NUMBER.fullmatch(number)), None)
    if wrong is not None:
        raise _unknown(f"{path}.{word}.{wrong}")
    if len(numbered) != max(map(int, numbered)):
        raise InvalidParameter(f"The members of {path} must be numbered from 1 on, without gaps.")
    return [
        _read(item, shape.member, f"{path}.{word}.{number}")
        for number, item in sorted(numbered.items(), key=lambda entry: int(entry[0]))
    ]


def _unknown(name: str) -> InvalidParameter:
    shown = name if len(name) <= MAX_ECHO else f"{name[:MAX_ECHO]}…"
    return InvalidParameter(f"The request has a parameter that this operation does not: {shown}.")
