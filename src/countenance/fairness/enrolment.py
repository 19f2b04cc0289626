"""Templates of a whole data set, made as the server makes them: decode, detect, align, embed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.errors import ImageTooLarge, InvalidImageFormat, InvalidParameter
from countenance.fairness.datasets import DataSet, Image
from countenance.settings import ImageFormat, Settings
from countenance.vision.analysis import Vision
from countenance.vision.images import decode


@dataclass(frozen=True, slots=True, eq=False)
class Enrolment:
    """The images of a data set in which a face was found, and the template of the largest face in each.

    `templates` float32 (n, d), in the order of `images`; `failures`: images without a face, or that cannot be decoded
    (ISO/IEC 19795-1 failure to enrol); `digest`: SHA-256 over the sorted lines `file's SHA-256, subject, identity,
    groups` of all images, so that anyone can tell whether they hold the same data.
    """

    data_set: DataSet
    images: tuple[Image, ...]
    templates: NDArray[np.float32]
    failures: tuple[Image, ...]
    digest: str


# What a person watching is told: the data set's name, how many of its images are done, how many there are.
Progress = Callable[[str, int, int], None]


def quietly(_name: str, _done: int, _all: int) -> None:
    """Progress for nobody."""


def enrol(vision: Vision, settings: Settings, data_set: DataSet, progress: Progress = quietly) -> Enrolment:
    """Make the templates of `vision.face_model_version` for every image, `settings.workers` at once.

    An image that the server would refuse is a failure to enrol; only its format
    may be any that can be decoded at all.
    """

    def one(image: Image) -> tuple[str, NDArray[np.float32] | None]:
        data = image.path.read_bytes()
        line = "\t".join((hashlib.sha256(data).hexdigest(), image.subject, image.identity, *image.groups))
        return line, _template(vision, settings, data)

    results = []
    with ThreadPoolExecutor(settings.workers) as pool:
        for done, result in enumerate(pool.map(one, data_set.images), start=1):
            results.append(result)
            progress(data_set.name, done, len(data_set.images))
    enrolled = [(image, template) for image, (_, template) in zip(data_set.images, results, strict=True)]
    found = [template for _, template in enrolled if template is not None]
    if not found:
        raise InvalidParameter(f"No face was found in any image of {data_set.name}.")
    return Enrolment(
        data_set,
        tuple(image for image, template in enrolled if template is not None),
        np.stack(found),
        tuple(image for image, template in enrolled if template is None),
        hashlib.sha256("\n".join(sorted(line for line, _ in results)).encode()).hexdigest(),
    )


def _template(vision: Vision, settings: Settings, data: bytes) -> NDArray[np.float32] | None:
    try:
        photo = decode(
            data,
            formats=frozenset(ImageFormat),
            max_bytes=settings.max_s3_image_bytes,
            max_pixels=settings.max_pixels,
            min_side=settings.min_image_side,
        )
    except (InvalidImageFormat, ImageTooLarge, InvalidParameter):
        return None
    faces = vision.detect(photo)[:1]
    if not faces:
        return None
    return vision.templates(photo, faces, vision.face_model_version)[0].vector
