"""Sets of photos of known people, described so that anyone can see who they are and how that is known.

A data set is a folder of photos, a CSV manifest with a row per person or photo, and a card: a TOML file that says
where the photos come from, under which licence, how the demographic labels were made, and how to read the manifest.

    name = "My people"
    source = "https://example.org/people"
    licence = "CC-BY-4.0"
    labels = "self-reported"                    # or observed, inferred, none

    [manifest]
    file = "people.csv"                         # in the folder of photos
    images = ["front/{id}.jpg", "side/{id}.jpg"]
    subject = "{id}"                            # absent: every image is a subject of its own
    groupings = [["gender", "ethnicity"], ["age_band"]]
    same_identity = "same-person.csv"           # beside the card: pairs of images found to show one person
    [manifest.outside]
    age_band = ["0-2"]                          # compared with each other and reported, never part of a pin
"""

from __future__ import annotations

import csv
import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from string import Formatter
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from countenance.errors import InvalidParameter
from countenance.vision.calibration import DataSetCard

# A line of a manifest is a row of labels, not a document.
MAX_MANIFEST_BYTES = 1024**3

Columns = Annotated[tuple[str, ...], Field(min_length=1)]


def _names_columns(pattern: str) -> str:
    for _, field, form, conversion in Formatter().parse(pattern):
        if field is not None and (form or conversion or not re.fullmatch(r"[^.\[\]\d][^.\[\]]*", field)):
            raise ValueError(f"the pattern {pattern!r} may only name columns, as in {{column}}")
    return pattern


Pattern = Annotated[str, AfterValidator(_names_columns)]


class Manifest(BaseModel):
    """How the rows of a CSV file become images of subjects in groups. `{column}` stands for a row's value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    images: Annotated[tuple[Pattern, ...], Field(min_length=1)]
    subject: Pattern | None = None
    groupings: tuple[Columns, ...] = ()
    outside: dict[str, tuple[str, ...]] = {}
    same_identity: str | None = None
    skip_missing: bool = Field(False, description="Not every row has every image.")


class DataSetDescription(BaseModel):
    """The TOML file of a data set: its card, and its manifest's layout."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    card: DataSetCard
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Image:
    """One photo of one subject.

    `name` is its path in the data set; `subject` is whom the manifest says it shows, and `identity` is one and the same
    for all subjects that turned out to be one person: comparisons within it are never taken for non-mated. `groups`
    are the demographic groups it belongs to, as `column=value, …`; an image outside the calibration's scope belongs to
    the group that puts it there and to no other.
    """

    path: Path
    name: str
    subject: str
    identity: str
    groups: tuple[str, ...]
    outside: bool = False


@dataclass(frozen=True, slots=True)
class DataSet:
    """Images of subjects, with what is known about them."""

    description: DataSetDescription
    images: tuple[Image, ...]
    corrections: int = 0
    corrections_sha256: str | None = None

    @property
    def name(self) -> str:
        """The name on the card."""
        return self.description.card.name

    @property
    def subjects(self) -> int:
        """How many different people there are, as far as is known."""
        return len({image.identity for image in self.images})

    @property
    def has_mates(self) -> bool:
        """Whether the manifest says which images show one person."""
        return self.description.manifest.subject is not None


def read_data_set(card: Path, photos: Path) -> DataSet:
    """Read the data set described by the TOML file `card`, whose photos and manifest are in the folder `photos`.

    No photo is opened. Raises `InvalidParameter` when the card or the manifest cannot be understood, or names a photo
    that is missing or lies outside the folder.
    """
    description = _read_card(card)
    manifest = description.manifest
    root = photos.resolve()
    images = list(_images(description, root, _read_rows(root / manifest.file)))
    if not images:
        raise InvalidParameter(f"{card} names no image that is in {photos}.")
    if len({image.name for image in images}) != len(images):
        raise InvalidParameter(f"{manifest.file} names an image twice: give each image one row.")
    if manifest.same_identity is None:
        return DataSet(description, tuple(images))
    corrections = card.parent / manifest.same_identity
    pairs = [(row["image"], row["other"]) for row in _read_rows(corrections, columns=("image", "other", "reason"))]
    digest = hashlib.sha256(corrections.read_bytes()).hexdigest()
    return DataSet(description, tuple(_joined(images, pairs, corrections)), len(pairs), digest)


def _read_card(path: Path) -> DataSetDescription:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        return DataSetDescription(manifest=content.pop("manifest", None), card=DataSetCard(**content))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError, TypeError) as error:
        raise InvalidParameter(f"{path} is not a data set card: {error}") from error


def _read_rows(path: Path, columns: Iterable[str] = ()) -> Iterator[dict[str, str]]:
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise InvalidParameter(f"{path} is larger than {MAX_MANIFEST_BYTES} bytes: it is not a manifest.")
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = set(columns) - set(reader.fieldnames or ())
            if missing:
                raise InvalidParameter(f"{path} lacks the column {sorted(missing)[0]!r}.")
            yield from reader
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidParameter(f"{path} cannot be read as a CSV file: {error}") from error


def _images(description: DataSetDescription, root: Path, rows: Iterable[dict[str, str]]) -> Iterator[Image]:
    manifest = description.manifest
    for row in rows:
        try:
            names = [template.format_map(row) for template in manifest.images]
            stated = None if manifest.subject is None else manifest.subject.format_map(row)
            outside = [_group([column], row) for column, values in manifest.outside.items() if row[column] in values]
            groups = outside or [_group(columns, row) for columns in manifest.groupings]
        except KeyError as error:
            raise InvalidParameter(f"{manifest.file} lacks the column {error} that the card speaks of.") from error
        for name in names:
            path = (root / name).resolve()
            if not path.is_relative_to(root):
                raise InvalidParameter(f"{manifest.file} names {name!r}, which is not in the folder of photos.")
            if path.is_file():
                subject = name if stated is None else stated
                yield Image(path, name, subject, subject, tuple(groups), bool(outside))
            elif not manifest.skip_missing:
                raise InvalidParameter(f"{manifest.file} names {name!r}, which is not there.")


def _group(columns: Iterable[str], row: dict[str, str]) -> str:
    return ", ".join(f"{column}={row[column]}" for column in columns)


def _joined(images: list[Image], pairs: list[tuple[str, str]], source: Path) -> Iterator[Image]:
    """The same images, where the subjects of each pair (and of what they are paired with in turn) are one identity."""
    subject_of = {image.name: image.subject for image in images}
    parent = {image.subject: image.subject for image in images}

    def find(subject: str) -> str:
        while parent[subject] != subject:
            subject = parent[subject]
        return subject

    for pair in pairs:
        for name in pair:
            if name not in subject_of:
                raise InvalidParameter(f"{source} speaks of {name!r}, which is no image of the data set.")
        one, other = sorted(find(subject_of[name]) for name in pair)
        parent[other] = one
    for image in images:
        yield replace(image, identity=find(image.subject))
