"""Photos named on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from countenance.errors import ImageTooLarge, InvalidImageFormat, InvalidParameter
from countenance.service.photos import PhotoBytes
from countenance.settings import Settings

PhotoFile = Annotated[
    Path,
    typer.Argument(metavar="PHOTO", exists=True, dir_okay=False, readable=True, help="A photo.", show_default=False),
]


# What is the matter with one photo alone, and does not stop work on others. A file that cannot be read is an OSError,
# and has a word of its own.
PHOTO_FAULTS = (InvalidImageFormat, ImageTooLarge, InvalidParameter)
UNREADABLE = "UNREADABLE"


def read_photo(path: Path, settings: Settings) -> PhotoBytes:
    """The file, never more of it than may be decoded. Raises `ImageTooLarge` and `OSError`."""
    with path.open("rb") as file:
        data = file.read(settings.max_image_bytes + 1)
    if len(data) > settings.max_image_bytes:
        raise ImageTooLarge(
            f"{path.name} has more than {settings.max_image_bytes} bytes: make it smaller, or raise max_image_bytes."
        )
    return PhotoBytes(data)


def for_files(settings: Settings) -> Settings:
    """The settings for photos on this machine: a file may be as large as Rekognition lets an object of a store be."""
    return settings.model_copy(update={"max_image_bytes": max(settings.max_image_bytes, settings.max_s3_image_bytes)})
