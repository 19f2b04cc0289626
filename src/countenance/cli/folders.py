"""Folders of photos, and the ExternalImageId that leads from a face back to its file."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

# What a photo's file is called; whether its format is accepted is for the decoder and the settings to say.
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".heic", ".heif", ".hif", ".avif"})

# Rekognition's pattern of an ExternalImageId is [a-zA-Z0-9_.\-:]+ in at most 255 characters.
MAX_EXTERNAL_IMAGE_ID = 255
_NOT_ALLOWED = re.compile(r"[^a-zA-Z0-9_.\-:]")

# Hex digits that keep apart two names that become the same once their other characters are replaced.
DISTINCTION = 8


class Naming(StrEnum):
    """What of a photo's path becomes its ExternalImageId."""

    PATH = "path"
    NAME = "name"
    STEM = "stem"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class PhotoOnDisk:
    """A photo of a folder as it is on disk: its path below the folder, with size in bytes and time of change."""

    folder: Path
    relative: str
    size: int
    mtime_ns: int

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.folder / self.relative

    def external_image_id(self, naming: Naming) -> str | None:
        """The ExternalImageId by this naming: `/` becomes `:`, other characters Rekognition does not take `_`.

        An id that had to be altered otherwise ends in a digest of the name, so that no two photos share one.
        """
        if naming is Naming.NONE:
            return None
        name = self.relative if naming is Naming.PATH else self.path.name
        return external_image_id(str(Path(name).with_suffix("")) if naming is Naming.STEM else name)


def external_image_id(name: str) -> str:
    """The name as Rekognition takes it."""
    wanted = name.replace(os.sep, ":")
    if len(wanted) <= MAX_EXTERNAL_IMAGE_ID and not _NOT_ALLOWED.search(wanted):
        return wanted
    letters = unicodedata.normalize("NFKD", wanted)
    plain = _NOT_ALLOWED.sub("_", "".join(letter for letter in letters if not unicodedata.combining(letter)))
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:DISTINCTION]
    return f"{plain[: MAX_EXTERNAL_IMAGE_ID - DISTINCTION - 1]}-{digest}"


def photos_of(folder: Path) -> Iterator[PhotoOnDisk]:
    """The photos of a folder and those below it, in the order of their names.

    Hidden files and folders are left out, and links to folders are not followed, so that the walk ends.
    """
    waiting = [""]
    while waiting:
        below = waiting.pop()
        with os.scandir(folder / below) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
        folders = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            relative = os.path.join(below, entry.name)
            if entry.is_dir(follow_symlinks=False):
                folders.append(relative)
            elif os.path.splitext(entry.name)[1].lower() in PHOTO_SUFFIXES and entry.is_file():
                status = entry.stat()
                yield PhotoOnDisk(folder, relative, status.st_size, status.st_mtime_ns)
        waiting.extend(reversed(folders))
