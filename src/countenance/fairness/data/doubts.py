"""What looks wrong in a data set before anything is said about a model: people decide, we only point.

Three rules, none of which knows the engine or a threshold of its:

- *Duplicates*: images of different people that are one file, or whose templates are all but the same (cosine of at
  least 1 - 1e-4).
- *Mated that look non-mated*: of all comparisons of different people, one in a hundred scores at least as high. If two
  images in truth show two people, that finds them in 99 cases of 100, whatever the engine.
- *Non-mated that look mated*: the pair stands out from the crowd of either image. Its score lies 2.5 standard
  deviations of all non-mated scores above the mean of the 5th to 24th most alike other people, of both its images. The
  crowd is the image's own, because some people (small children, often) look alike to an engine as a whole group, which
  says nothing about labels; the first four are left out, because somebody may be there five times. Among random vectors
  less than one pair stands out so far, in sets of 100 to 5,000. And where there are mated comparisons, one in twenty of
  them is no more alike. A pair of people is told once, by its clearest images.

What is found is measured as it is all the same. Who looked at the images and is sure writes the pair into the file of
corrections that the card names (`same_identity`), with the reason.
"""

from __future__ import annotations

import base64
import csv
import io
import os
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from countenance.errors import ImageTooLarge, InvalidImageFormat, InvalidParameter
from countenance.fairness import record
from countenance.fairness.comparisons.all_pairs import BINS, PairOfGroups, Tail, floor_of_tail
from countenance.fairness.data import tables
from countenance.fairness.data.datasets import CORRECTION_COLUMNS, DataSet, Image
from countenance.fairness.data.enrolment import Enrolment
from countenance.settings import ImageFormat, Settings
from countenance.vision.images import decode

SAME_PICTURE_COSINE = 1 - 1e-4

# Who is in the crowd that a pair must stand out from: other people, by how much they look like the image, from 0.
CROWD = slice(4, 24)
STANDS_OUT = 2.5

# The share of mated comparisons that a pair is not less alike than, so many of them as say something.
LEAST_ALIKE_MATES = 0.05
ENOUGH_MATES = 20

# A mated comparison looks non-mated below the score that this share of non-mated ones reaches.
ORDINARY = 0.01

# Of each kind, pairs shown for a person to judge.
MAX_SHOWN = 200

PAGE, CORRECTIONS = "doubts.html", "same-person.csv"
THUMBNAIL_PIXELS = 160
THUMBNAIL_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Doubt:
    """Two images about which the data set may be wrong. `score`: cosine of their templates."""

    image: Image
    other: Image
    score: float
    why: str


@dataclass(frozen=True, slots=True)
class Doubts:
    """All counts, and of each kind the worst, at most MAX_SHOWN, worst first."""

    counts: record.Doubts
    duplicates: tuple[Doubt, ...]
    non_mated_that_look_mated: tuple[Doubt, ...]
    mated_that_look_non_mated: tuple[Doubt, ...]


def find(enrolment: Enrolment, everyone: PairOfGroups, mated: Tail | None) -> Doubts:
    """What looks wrong.

    `everyone`: all comparisons of different identities, with the positions of images in `enrolment`; `mated`: those
    within one subject, or None.
    """
    tail = everyone.tail
    # One file has one template, so that its pairs are among these.
    same = tail.scores >= SAME_PICTURE_COSINE
    duplicates = np.flatnonzero(same).tolist()
    least = -1.0
    if mated is not None and len(mated.scores) >= ENOUGH_MATES:
        least = float(np.quantile(mated.scores, LEAST_ALIKE_MATES))
    strange = _standing_out(enrolment, everyone, ~same & (tail.scores >= least))
    odd: list[int] = []
    if mated is not None and everyone.comparisons:
        ordinary = floor_of_tail(everyone.histogram, int(ORDINARY * everyone.comparisons))
        odd = np.flatnonzero(mated.scores < ordinary)[::-1].tolist()

    def doubt(within: Tail, place: int, why: str) -> Doubt:
        left, right = int(within.left[place]), int(within.right[place])
        if not why:
            files = enrolment.files
            why = "one file" if files and files[left] == files[right] else "one picture"
        return Doubt(enrolment.images[left], enrolment.images[right], float(within.scores[place]), why)

    return Doubts(
        record.Doubts(
            duplicates=len(duplicates), mated_that_look_non_mated=len(odd), non_mated_that_look_mated=len(strange)
        ),
        duplicates=tuple(doubt(tail, place, "") for place in duplicates[:MAX_SHOWN]),
        non_mated_that_look_mated=tuple(
            doubt(tail, place, f"{distance:.1f} standard deviations above the people most like them")
            for place, distance in strange[:MAX_SHOWN]
        ),
        mated_that_look_non_mated=tuple(
            doubt(mated, place, "no more alike than one in a hundred pairs of different people")
            for place in odd[:MAX_SHOWN]
            if mated is not None
        ),
    )


def _standing_out(enrolment: Enrolment, everyone: PairOfGroups, asked: NDArray[np.bool_]) -> list[tuple[int, float]]:
    """Places in the tail of pairs that stand out, the clearest of each two people, and how far, farthest first."""
    tail = everyone.tail
    numbers = {name: number for number, name in enumerate(dict.fromkeys(image.identity for image in enrolment.images))}
    if len(numbers) <= CROWD.stop:
        return []
    people = np.array([numbers[image.identity] for image in enrolment.images])
    crowd = _crowds(tail, people)
    distances = (tail.scores - np.maximum(crowd[tail.left], crowd[tail.right])) / _deviation(everyone.histogram)
    places = np.flatnonzero(asked & (distances >= STANDS_OUT))
    places = places[np.argsort(-distances[places], kind="stable")]
    clearest: dict[tuple[int, int], tuple[int, float]] = {}
    for place in places.tolist():
        one, other = sorted((int(people[tail.left[place]]), int(people[tail.right[place]])))
        clearest.setdefault((one, other), (place, float(distances[place])))
    return list(clearest.values())


def _crowds(tail: Tail, people: NDArray[np.int64]) -> NDArray[np.float64]:
    """How alike to each image (n,) its crowd is on average. Who is not in the tail counts as if at its floor."""
    image = np.concatenate([tail.left, tail.right])
    person = people[np.concatenate([tail.right, tail.left])]
    score = np.concatenate([tail.scores, tail.scores])
    order = np.lexsort((-score, person, image))
    image, person, score = image[order], person[order], score[order]
    best = np.ones(len(image), np.bool_)
    best[1:] = (image[1:] != image[:-1]) | (person[1:] != person[:-1])
    image, score = image[best], score[best]
    order = np.lexsort((-score, image))
    image, score = image[order], score[order]
    rank = np.arange(len(image)) - np.searchsorted(image, image)
    chosen = (rank >= CROWD.start) & (rank < CROWD.stop)
    size = CROWD.stop - CROWD.start
    there = np.bincount(image[chosen], minlength=len(people))
    sums = np.bincount(image[chosen], weights=score[chosen], minlength=len(people))
    means: NDArray[np.float64] = (sums + (size - there) * tail.floor) / size
    return means


def _deviation(histogram: NDArray[np.int64]) -> float:
    scores = (np.arange(BINS) + 0.5) * (2 / BINS) - 1
    mean = float(np.average(scores, weights=histogram))
    return float(np.sqrt(np.average((scores - mean) ** 2, weights=histogram)))


def write_page(doubts: Doubts, data_set: DataSet, folder: Path, settings: Settings) -> tuple[Path, Path]:
    """Write a page with the images side by side, and a file of corrections without reasons, for a person to finish.

    Both are for their owner's eyes: the page shows faces, the file names photos. Pairs that the file has already, with
    whatever somebody wrote beside them, stay as they are. Raises `InvalidParameter` where they cannot be written.
    """
    shown = (*doubts.duplicates, *doubts.non_mated_that_look_mated, *doubts.mated_that_look_non_mated)
    images = {image.name: image for doubt in shown for image in (doubt.image, doubt.other)}
    page = (
        _environment()
        .get_template(PAGE)
        .render(
            name=data_set.name,
            doubts=doubts,
            pictures={name: _thumbnail(image, settings) for name, image in images.items()},
            corrections=CORRECTIONS,
            has_mates=data_set.has_mates,
        )
    )
    corrections = folder / CORRECTIONS
    try:
        folder.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        kept = list(tables.rows(corrections, CORRECTION_COLUMNS)) if corrections.exists() else []
        text = io.StringIO()
        writer = csv.DictWriter(text, CORRECTION_COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
        known = {frozenset((row["image"], row["other"])) for row in kept}
        writer.writerows(
            {"image": doubt.image.name, "other": doubt.other.name}
            for doubt in (*doubts.duplicates, *doubts.non_mated_that_look_mated)
            if {doubt.image.name, doubt.other.name} not in known
        )
        _replace(folder / PAGE, page)
        _replace(corrections, text.getvalue())
    except OSError as error:
        raise InvalidParameter(f"{folder} cannot be written: {error.strerror}.") from error
    return folder / PAGE, corrections


def _replace(path: Path, text: str) -> None:
    """Write a file that only its owner can read; an older one is there until this one is complete."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)


def _thumbnail(image: Image, settings: Settings) -> str | None:
    """A small JPEG in base64; None where there is no photo that can be shown."""
    try:
        photo = decode(
            image.path.read_bytes(),
            formats=frozenset(ImageFormat),
            max_bytes=settings.max_s3_image_bytes,
            max_pixels=settings.max_pixels,
            min_side=settings.min_image_side,
        )
    except (OSError, InvalidImageFormat, ImageTooLarge, InvalidParameter):
        return None
    scale = min(1.0, THUMBNAIL_PIXELS / max(photo.width, photo.height))
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    small = cv2.resize(photo.pixels, size, interpolation=cv2.INTER_AREA)
    encoded, data = cv2.imencode(
        ".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, THUMBNAIL_QUALITY)
    )
    return base64.b64encode(data.tobytes()).decode("ascii") if encoded else None


@lru_cache(1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("countenance.fairness.data"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
