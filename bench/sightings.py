"""What the pipeline sees on the photos of a data set: each detected once, then embedded in several ways.

What took long is kept in a folder, under names that change with the code and the models that it depends on. It holds
templates: the folder belongs outside any repository.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from bench import darkness, treatments
from bench.treatments import MIRRORED, SHIPPED, TREATMENTS
from countenance.errors import CountenanceError
from countenance.faces import BoundingBox
from countenance.fairness.data.datasets import DataSet, Image
from countenance.settings import ImageFormat, Settings
from countenance.vision import alignment, crops, detection, embedding, images, mesh, quality, scaling, yunet
from countenance.vision.analysis import Vision
from countenance.vision.details import Attribute, FaceDetail
from countenance.vision.detection import Detection
from countenance.vision.images import Photo, decode
from countenance.vision.models.cards import Catalogue, Role
from countenance.vision.models.sessions import Session, open_session

# What the two things that are kept depend on.
DETECTS = (detection, yunet, scaling, crops, images)
EMBEDS = (*DETECTS, alignment, embedding, treatments)
FADES = (*DETECTS, alignment, embedding, mesh, quality, darkness)

# Of a kept detection: the box in ratios of the photo, ten coordinates of keypoints in pixels, and the confidence.
ROW = 15

Progress = Callable[[str, int, int], None]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Sightings:
    """The largest face on every image of a data set. `kept`: the folder for what took long."""

    def __init__(self, settings: Settings, data_set: DataSet, kept: Path, progress: Progress) -> None:
        self.data_set = data_set
        self._settings = settings
        self._vision = Vision(settings)
        self._kept = kept
        self._progress = progress
        rows = self._remembered("detections", DETECTS, data_set.images, lambda image: _row(self._faces(image)))
        self.faces = [None if np.isnan(row).any() else _detection(row) for row in rows]

    @property
    def found(self) -> list[tuple[Image, Detection]]:
        """The images on which there is a face, with the largest."""
        return [(image, face) for image, face in zip(self.data_set.images, self.faces, strict=True) if face is not None]

    def confidences(self, places: Sequence[int], **constants: Any) -> NDArray[np.float64]:
        """The highest confidence (0 to 1) of any face on the images at `places`, 0 where there is none, (places,).

        `constants` are those of `countenance.vision.detection` that are to be others.
        """
        what = " ".join(f"{name}={value}" for name, value in sorted(constants.items()))

        def best(image: Image) -> NDArray[np.float64]:
            return np.array([max((face.confidence for face in self._faces(image)), default=0.0) / 100])

        with patch.multiple(detection, **constants):
            chosen = [self.data_set.images[place] for place in places]
            return self._remembered(what, DETECTS, chosen, best)[:, 0]

    def embeddings(self) -> NDArray[np.float64]:
        """Of every face that was found and every treatment, in the order of TREATMENTS: float64 (found, treatments, d).

        As the recognizer gives them, not of unit length.
        """
        card = Catalogue(self._settings.models).card(self._settings.recognizer)
        precision = self._settings.inference_precision
        session = open_session(card, self._settings.model_store, precision=precision, workers=self._settings.workers)
        faces = {image.name: face for image, face in self.found}

        def embedded(image: Image) -> NDArray[np.float64]:
            return _treated(session, self._photo(image), faces[image.name])

        return self._remembered("embeddings", EMBEDS, [image for image, _ in self.found], embedded)

    def fadings(self, chosen: Sequence[int]) -> NDArray[np.float64]:
        """What is left of some of the faces that were found when light goes (`bench.darkness`): (chosen, lights, 2)."""
        faces = {image.name: face for image, face in self.found}

        def fading(image: Image) -> NDArray[np.float64]:
            return darkness.fading(self._vision, self._photo(image), faces[image.name])

        return self._remembered("darken", FADES, [self.found[place][0] for place in chosen], fading)

    def details(self) -> list[FaceDetail]:
        """What is said of each face that was found: never kept, for what is said of it is in question."""
        only = frozenset({Attribute.DEFAULT})

        def described(sighting: tuple[Image, Detection]) -> FaceDetail:
            image, face = sighting
            return self._vision.describe(self._photo(image), [face], only)[0]

        return self._each("describe", self.found, described)

    def _faces(self, image: Image) -> list[Detection]:
        try:
            return self._vision.detect(self._photo(image))
        except CountenanceError:  # what cannot be decoded shows no face
            return []

    def _photo(self, image: Image) -> Photo:
        """As enrolment decodes it."""
        return decode(
            image.path.read_bytes(),
            formats=frozenset(ImageFormat),
            max_bytes=self._settings.max_s3_image_bytes,
            max_pixels=self._settings.max_pixels,
            min_side=self._settings.min_image_side,
        )

    def _remembered(
        self,
        what: str,
        code: Iterable[ModuleType],
        chosen: Sequence[Image],
        make: Callable[[Image], NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        catalogue = Catalogue(self._settings.models)
        cards = (catalogue.default(Role.DETECTOR), catalogue.card(self._settings.recognizer))
        facts = [what, self._settings.inference_precision.value, *(card.model_dump_json() for card in cards)]
        facts += [inspect.getsource(module) for module in code]
        facts += [f"{image.name} {image.path.stat().st_size}" for image in chosen]
        path = self._kept / f"{hashlib.sha256(chr(0).join(facts).encode()).hexdigest()[:32]}.npy"
        if path.exists():
            return np.asarray(np.load(path, allow_pickle=False), np.float64)
        made = np.stack(self._each(what, chosen, make)) if chosen else np.empty((0, 1))
        self._kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        np.save(path, made.astype(np.float32), allow_pickle=False)
        return made

    def _each(self, what: str, items: Sequence[Item], work: Callable[[Item], Result]) -> list[Result]:
        results = []
        with ThreadPoolExecutor(self._settings.workers) as pool:
            for result in pool.map(work, items):
                results.append(result)
                self._progress(f"{self.data_set.name}: {what}", len(results), len(items))
        return results


def _row(faces: Sequence[Detection]) -> NDArray[np.float64]:
    if not faces:
        return np.full(ROW, np.nan)
    face, box = faces[0], faces[0].bounding_box
    return np.array([box.left, box.top, box.width, box.height, *face.keypoints.ravel(), face.confidence])


def _detection(row: NDArray[np.float64]) -> Detection:
    return Detection(BoundingBox(*row[:4]), float(row[14]), row[4:14].reshape(5, 2).astype(np.float32))


def _treated(session: Session, photo: Photo, face: Detection) -> NDArray[np.float64]:
    crops_of_face = np.stack([treat(photo.pixels, face.keypoints) for treat in TREATMENTS.values()])
    vectors = session.infer(crops_of_face)["embedding"].astype(np.float64)
    both = [list(TREATMENTS).index(name) for name in (SHIPPED, MIRRORED)]
    units = vectors[both] / np.linalg.norm(vectors[both], axis=1, keepdims=True)
    vectors[both[1]] = units.mean(axis=0)
    return vectors
