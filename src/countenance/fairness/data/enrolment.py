"""Templates of a whole data set, made as the server makes them: decode, detect, align, embed."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countenance.errors import ImageTooLarge, InvalidImageFormat, InvalidParameter
from countenance.fairness.data.datasets import DataSet, Image
from countenance.fairness.data.journal import Journal, key_of
from countenance.settings import ImageFormat, Settings
from countenance.vision.analysis import Vision
from countenance.vision.images import decode
from countenance.vision.models.cards import Catalogue, Role
from countenance.vision.models.sessions import in_effect

# What a template depends on beside the photo, the models and our own code.
LIBRARIES = ("numpy", "opencv-python-headless", "openvino", "pillow", "pillow-heif")

TEMPLATE = np.dtype("<f4")

# Images being worked on at a time for each worker: enough that none waits, few enough that a stopped run stops.
AHEAD = 4


@dataclass(frozen=True, slots=True, eq=False)
class Enrolment:
    """The images of a data set in which a face was found, and the template of the largest face in each.

    `templates` float32 (n, d), in the order of `images`; `failures`: images without a face, or that cannot be decoded
    (ISO/IEC 19795-1 failure to enrol), None where only those that succeeded are known; `digest`: SHA-256 over the
    sorted lines `file's SHA-256, subject, identity, groups` of all images, so that anyone can tell whether they hold
    the same data. `files`: the SHA-256 of each image's file, in the order of `images`; empty where nobody has them.
    """

    data_set: DataSet
    images: tuple[Image, ...]
    templates: NDArray[np.float32]
    failures: tuple[Image, ...] | None
    digest: str
    files: tuple[str, ...] = ()


# What a person watching is told: the data set's name, how many of its images are done, how many there are.
Progress = Callable[[str, int, int], None]


def quietly(_name: str, _done: int, _all: int) -> None:
    """Progress for nobody."""


def enrol(
    vision: Vision, settings: Settings, data_set: DataSet, progress: Progress = quietly, *, cache: Path | None = None
) -> Enrolment:
    """Make the templates of `vision.face_model_version` for every image, `settings.workers` at once.

    An image that the server would refuse is a failure to enrol; only its format may be any that can be decoded at all.
    In the file `cache` templates are kept as they are made, and found again as long as the photo, the models, the
    arithmetic and the code that makes them are the same; it holds biometric templates, so whoever names it guards it.
    Raises `InvalidParameter` where no face is found in any image, or the cache is no such file.
    """
    lines: list[str] = []
    files: list[str] = []
    found: list[Image] = []
    templates: list[NDArray[np.float32]] = []
    failures: list[Image] = []
    with ExitStack() as stack:
        journal = None if cache is None else stack.enter_context(Journal(cache))
        work = _Work(vision, settings, journal)
        pool = stack.enter_context(ThreadPoolExecutor(settings.workers))
        for image, file, template in _in_order(pool, work, data_set.images, settings.workers * AHEAD):
            lines.append("\t".join((file, image.subject, image.identity, *image.groups)))
            if template is None:
                failures.append(image)
            else:
                found.append(image)
                files.append(file)
                templates.append(template)
            progress(data_set.name, len(lines), len(data_set.images))
    if not found:
        raise InvalidParameter(f"No face was found in any image of {data_set.name}.")
    return Enrolment(data_set, tuple(found), np.stack(templates), tuple(failures), digest_of(lines), tuple(files))


def digest_of(lines: list[str]) -> str:
    """What `Enrolment.digest` says of images, each described by a line."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _in_order(
    pool: ThreadPoolExecutor, work: _Work, images: Sequence[Image], ahead: int
) -> Iterator[tuple[Image, str, NDArray[np.float32] | None]]:
    pending: deque[tuple[Image, Future[tuple[str, NDArray[np.float32] | None]]]] = deque()
    for image in images:
        pending.append((image, pool.submit(work, image)))
        if len(pending) > ahead:
            first, future = pending.popleft()
            yield first, *future.result()
    for image, future in pending:
        yield image, *future.result()


class _Work:
    """What is done with a photo: its file's SHA-256, and the template of its largest face, made or found again."""

    def __init__(self, vision: Vision, settings: Settings, journal: Journal | None) -> None:
        self._vision = vision
        self._settings = settings
        self._journal = journal
        self._made_by = None if journal is None else made_by(vision, settings)

    def __call__(self, image: Image) -> tuple[str, NDArray[np.float32] | None]:
        """For any number of threads."""
        try:
            data = image.path.read_bytes()
        except OSError as error:
            raise InvalidParameter(f"{image.path} cannot be read: {error.strerror}.") from error
        file = hashlib.sha256(data).hexdigest()
        if self._journal is None:
            return file, self._template(data)
        key = key_of(self._made_by, file)
        kept = self._journal.find(key)
        if kept is not None:
            return file, np.frombuffer(kept, TEMPLATE).astype(np.float32) if kept else None
        template = self._template(data)
        self._journal.record(key, b"" if template is None else template.astype(TEMPLATE).tobytes())
        return file, template

    def _template(self, data: bytes) -> NDArray[np.float32] | None:
        settings, vision = self._settings, self._vision
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


def made_by(vision: Vision, settings: Settings) -> str:
    """All that a template depends on beside the photo, so that one is never taken for another's."""
    catalogue = Catalogue(settings.models)
    cards = (catalogue.default(Role.DETECTOR), catalogue.recognizer(vision.face_model_version))
    facts = (
        *(card.model_dump_json() for card in cards),
        in_effect(settings.inference_precision).value,
        settings.max_s3_image_bytes,
        settings.max_pixels,
        settings.min_image_side,
        *(metadata.version(name) for name in LIBRARIES),
        _code(),
    )
    return key_of(*facts).hex()


@lru_cache(1)
def _code() -> str:
    """The SHA-256 of our own code that computes from photos: whoever changes it wants to see what that changes."""
    digest = hashlib.sha256()
    for file in sorted(_modules(resources.files("countenance.vision")), key=str):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _modules(folder: Traversable) -> Iterator[Traversable]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _modules(entry)
        elif entry.name.endswith(".py"):
            yield entry
