"""Sets of photos of known people, described so that anyone can see who they are and how that is known.

A data set is a folder of photos, a manifest (CSV or Parquet) with a row per person or photo, and a card: a TOML file
that says where the photos come from, under which licence, how the demographic labels were made, and how to read the
manifest.

    name = "My people"
    source = "https://example.org/people"
    licence = "CC-BY-4.0"
    labels = "self-reported"                    # or observed, inferred, none

    [manifest]
    file = "people.csv"                         # in the folder of photos; .parquet is read too
    images = ["2015/{id}.jpg", "2024/{id}.jpg"]
    subject = "{id}"                            # absent: every image is a subject of its own
    taken = ["2015", "2024"]                    # one for each of images, or one for all: a year, a date, or an age
    groupings = [["gender", "ethnicity"], ["age_band"]]
    same_identity = "same-person.csv"           # beside the card: pairs of images found to show one person
    [manifest.outside]
    age_band = ["0-2"]                          # compared with each other and reported, never part of a pin

Without a manifest, folders may say it: with `folders = ["gender", "subject"]` instead of `file` and `images`, every
image file in `woman/0007/` is of the subject woman/0007 and the gender woman.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from countenance.errors import InvalidParameter
from countenance.fairness.data import tables
from countenance.vision.calibration import DataSetCard

# What is an image in a folder without a manifest. Whether a file is one is found out when it is opened.
IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif", ".avif")
)

# A number of years up to the one is somebody's age; from the other on, it is a year.
OLDEST_AGE = 130
FIRST_YEAR = 1800

# Of a file of pairs of images that were found to show one person. Without a reason nobody has looked at a pair yet.
CORRECTION_COLUMNS = ("image", "other", "reason")

Columns = Annotated[tuple[str, ...], Field(min_length=1)]


def _names_columns(pattern: str) -> str:
    for _, field, form, conversion in Formatter().parse(pattern):
        if field is not None and (form or conversion or not re.fullmatch(r"[^.\[\]\d][^.\[\]]*", field)):
            raise ValueError(f"the pattern {pattern!r} may only name columns, as in {{column}}")
    return pattern


Pattern = Annotated[str, AfterValidator(_names_columns)]


class Manifest(BaseModel):
    """How the rows of a table, or the levels of folders, become images of subjects in groups.

    `{column}` stands for a row's value, or the name of a folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str | None = None
    images: tuple[Pattern, ...] = ()
    folders: tuple[str, ...] = ()
    subject: Pattern | None = None
    taken: tuple[Pattern, ...] = ()
    groupings: tuple[Columns, ...] = ()
    outside: dict[str, tuple[str, ...]] = {}
    same_identity: str | None = None
    skip_missing: bool = Field(False, description="Not every row has every image.")

    @model_validator(mode="before")
    @classmethod
    def _folder_of_each_subject(cls, values: Any) -> Any:
        if isinstance(values, dict) and "subject" in values.get("folders", ()):
            return {"subject": "{subject}", **values}
        return values

    @model_validator(mode="after")
    def _rows_or_folders(self) -> Self:
        by_rows, by_folders = self.file is not None and self.images, self.file is None and not self.images
        if not (by_folders if self.folders else by_rows):
            raise ValueError("either file and images, or folders")
        if len(set(self.folders)) != len(self.folders):
            raise ValueError("folders has a name twice")
        if len(self.taken) not in {0, 1, max(1, len(self.images))}:
            raise ValueError("taken needs one pattern for all images, or one for each pattern of images")
        return self


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
    are the demographic groups it belongs to, as `column=value, …`, one for each grouping in their order, and empty
    where the manifest does not say the value of a column: then it is in no group of that grouping. An image outside the
    calibration's scope belongs to the group that puts it there and to no other. `years`: when it was taken, in years of
    the calendar or of the subject's life, one or the other throughout a data set; None where that is not known.
    """

    path: Path
    name: str
    subject: str
    identity: str
    groups: tuple[str, ...]
    outside: bool = False
    years: float | None = None


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


def read_data_set(card: Path, photos: Path, groupings: Sequence[Sequence[str]] | None = None) -> DataSet:
    """Read the data set described by the TOML file `card`, whose photos and manifest are in the folder `photos`.

    `groupings` replace those of the card. No photo is opened. Raises `InvalidParameter` when the card or the manifest
    cannot be understood, or names a photo that is missing or lies outside the folder.
    """
    description = described(card, groupings)
    manifest = description.manifest
    root = photos.resolve()
    named = _images_in_folders(description, root) if manifest.file is None else _present(description, root)
    images = list(named)
    if not images:
        raise InvalidParameter(f"{card} names no image that is in {photos}.")
    if len({image.name for image in images}) != len(images):
        raise InvalidParameter(f"{manifest.file} names an image twice: give each image one row.")
    return with_corrections(description, images, card)


def described(card: Path, groupings: Sequence[Sequence[str]] | None = None) -> DataSetDescription:
    """The content of a card; `groupings` replace its own. Raises `InvalidParameter` when it is not one."""
    description = _read_card(card)
    if groupings is None:
        return description
    if any(not columns or len(set(columns)) != len(columns) for columns in groupings):
        raise InvalidParameter("A grouping names one or more columns, each once.")
    chosen = tuple(dict.fromkeys(tuple(columns) for columns in groupings))
    return description.model_copy(update={"manifest": description.manifest.model_copy(update={"groupings": chosen})})


def images_of_rows(description: DataSetDescription, folder: Path) -> Iterator[Image]:
    """The images that the manifest in `folder` names, whether they are there or not.

    Raises `InvalidParameter` for a manifest that is not in the folder or cannot be understood, and for images that
    would not be.
    """
    manifest, root = description.manifest, folder.resolve()
    table = (root / (manifest.file or "")).resolve()
    if not table.is_relative_to(root):
        raise InvalidParameter(f"The card names the manifest {manifest.file!r}, which is not in the folder {folder}.")
    for row in tables.rows(table):
        groups, outside = groups_of(manifest, row)
        try:
            names = [pattern.format_map(row) for pattern in manifest.images]
            stated = None if manifest.subject is None else manifest.subject.format_map(row)
            times = [_years(pattern.format_map(row), manifest) for pattern in manifest.taken] or [None]
        except KeyError as error:
            raise _lacks(manifest, error, row) from error
        for name, years in zip(names, times * (len(names) // len(times)), strict=True):
            if not name.strip() and manifest.skip_missing:
                continue
            path = (root / name).resolve()
            if not name.strip() or not path.is_relative_to(root):
                raise InvalidParameter(f"{manifest.file} names {name!r}, which is not in the folder of photos.")
            subject = name if stated is None else stated
            yield Image(path, name, subject, subject, groups, outside, years)


def with_corrections(description: DataSetDescription, images: Sequence[Image], card: Path) -> DataSet:
    """The data set of these images, with the identities that the corrections beside the card make one."""
    if len({_is_age(image.years) for image in images if image.years is not None}) > 1:
        raise InvalidParameter("`taken` gives an age for some images and a year for others: give one or the other.")
    if description.manifest.same_identity is None:
        return DataSet(description, tuple(images))
    corrections = card.parent / description.manifest.same_identity
    rows = list(tables.rows(corrections, CORRECTION_COLUMNS))
    for row in rows:
        if not row["reason"].strip():
            raise InvalidParameter(
                f"{corrections} gives no reason why {row['image']!r} and {row['other']!r} show one person: look at "
                "them, and write it there or remove the line."
            )
    pairs = [(row["image"], row["other"]) for row in rows]
    digest = hashlib.sha256(corrections.read_bytes()).hexdigest()
    return DataSet(description, tuple(_joined(images, pairs, corrections)), len(pairs), digest)


def groups_of(manifest: Manifest, row: Mapping[str, str]) -> tuple[tuple[str, ...], bool]:
    """The groups of who is in a row, and whether they are outside. Raises `InvalidParameter` where a column is not."""
    try:
        outside = [_group([column], row) for column, values in manifest.outside.items() if row[column] in values]
        return tuple(outside or [_group(columns, row) for columns in manifest.groupings]), bool(outside)
    except KeyError as error:
        raise _lacks(manifest, error, row) from error


def _read_card(path: Path) -> DataSetDescription:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        return DataSetDescription(manifest=content.pop("manifest", None), card=DataSetCard(**content))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError, TypeError) as error:
        raise InvalidParameter(f"{path} is not a data set card: {error}") from error


def _present(description: DataSetDescription, folder: Path) -> Iterator[Image]:
    manifest = description.manifest
    for image in images_of_rows(description, folder):
        if image.path.is_file():
            yield image
        elif not manifest.skip_missing:
            raise InvalidParameter(f"{manifest.file} names {image.name!r}, which is not there.")


def _images_in_folders(description: DataSetDescription, root: Path) -> Iterator[Image]:
    """Every image file so many folders deep; what lies elsewhere would be measured by nobody, and is refused."""
    manifest = description.manifest
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() not in IMAGE_SUFFIXES or not path.is_file():
            continue
        name = path.relative_to(root)
        if not path.resolve().is_relative_to(root):
            raise InvalidParameter(f"{name} leads out of the folder of photos.")
        levels = name.parts[:-1]
        if len(levels) != len(manifest.folders):
            raise InvalidParameter(
                f"{name} lies in {len(levels)} folders, but the card names {len(manifest.folders)}: "
                f"{'/'.join(manifest.folders)}."
            )
        row = dict(zip(manifest.folders, levels, strict=True))
        # A subject is who is in its folder: the folders above it tell apart people of one name.
        if "subject" in row:
            row["subject"] = "/".join(levels[: manifest.folders.index("subject") + 1])
        groups, outside = groups_of(manifest, row)
        try:
            subject = name.as_posix() if manifest.subject is None else manifest.subject.format_map(row)
            years = _years(manifest.taken[0].format_map(row), manifest) if manifest.taken else None
        except KeyError as error:
            raise _lacks(manifest, error, row) from error
        yield Image(path, name.as_posix(), subject, subject, groups, outside, years)


def _lacks(manifest: Manifest, column: KeyError, row: Mapping[str, str]) -> InvalidParameter:
    source = manifest.file or "The folders"
    return InvalidParameter(f"{source} lacks the column {column} that is spoken of; it has {', '.join(row)}.")


def _group(columns: Iterable[str], row: Mapping[str, str]) -> str:
    values = [(column, row[column]) for column in columns]
    if any(not value.strip() for _, value in values):
        return ""
    return ", ".join(f"{column}={value}" for column, value in values)


def _years(text: str, manifest: Manifest) -> float | None:
    """A year, a date (as a fraction of its year) or an age; None where nothing is said."""
    text = text.strip()
    if not text:
        return None
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            day = date.fromisoformat(text)
            return day.year + (day.timetuple().tm_yday - 1) / 365.25
        years = float(text)
    except ValueError:
        years = -1
    if not (0 <= years <= OLDEST_AGE or FIRST_YEAR <= years <= date.max.year):
        raise InvalidParameter(
            f"{manifest.file or 'The folders'}: {text!r} is not when a photo was taken: a year, a date as 2015-07-26, "
            f"or an age in years."
        )
    return years


def _is_age(years: float) -> bool:
    return years <= OLDEST_AGE


def _joined(images: Sequence[Image], pairs: list[tuple[str, str]], source: Path) -> Iterator[Image]:
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
