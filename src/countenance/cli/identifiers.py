"""Ids given on the command line, held against the patterns of Rekognition's own service model."""

from __future__ import annotations

from collections.abc import Callable

import typer

from countenance.aws.model import pattern, service_model


def valid(shape_name: str) -> Callable[[str], str]:
    """A parser of an argument or option that is of this shape of the model, such as CollectionId."""

    def parse(value: str) -> str:
        # The model is read when there is something to check: it takes longer than printing a help text.
        limits = service_model().shape_for(shape_name).metadata
        least, most, expression = limits.get("min", 0), limits.get("max", len(value)), limits["pattern"]
        if not least <= len(value) <= most:
            raise typer.BadParameter(f"{shape_name} has {least} to {most} characters.")
        if not pattern(expression).fullmatch(value):
            raise typer.BadParameter(f"{shape_name} must match {expression}")
        return value

    return parse
