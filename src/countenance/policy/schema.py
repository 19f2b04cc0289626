"""The schema of everything policies may speak of, parsed once."""

from __future__ import annotations

import functools
from importlib import resources

import cedarpy

NAMESPACE = "Countenance"


@functools.cache
def schema() -> cedarpy.Schema:
    """The parsed schema. It goes with every question: without it, a context that lacks something is not noticed."""
    return cedarpy.Schema.from_str(schema_text())


@functools.cache
def schema_text() -> str:
    """The schema as it stands in schema.cedarschema."""
    return resources.files("countenance.policy").joinpath("schema.cedarschema").read_text("utf-8")
