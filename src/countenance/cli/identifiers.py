"""Ids given on the command line, held against the patterns of Rekognition's own service model."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import typer

# Names are kept in 255 characters.
MAX_NAME = 255


def name(value: str) -> str:
    """A parser of names of people and organizations."""
    if not 1 <= len(value) <= MAX_NAME or not value.isprintable():
        raise typer.BadParameter(f"a name has 1 to {MAX_NAME} printable characters")
    return value


def moment(value: str) -> datetime:
    """A parser of dates, which begin at midnight UTC, and of times in ISO 8601; without an offset they are UTC."""
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise typer.BadParameter(f"{value} is no date: write 2027-01-31 or 2027-01-31T12:00:00Z") from None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def valid(shape_name: str) -> Callable[[str], str]:
    """A parser of an argument or option that is of this shape of the model, such as CollectionId."""

    def parse(value: str) -> str:
        # The model is loaded when there is something to check: it takes longer than printing a help text.
        from countenance.aws.model import pattern, service_model  # noqa: PLC0415

        limits = service_model().shape_for(shape_name).metadata
        least, most, expression = limits.get("min", 0), limits.get("max", len(value)), limits["pattern"]
        if not least <= len(value) <= most:
            raise typer.BadParameter(f"{shape_name} has {least} to {most} characters.")
        if not pattern(expression).fullmatch(value):
            raise typer.BadParameter(f"{shape_name} must match {expression}")
        return value

    return parse
