"""Independent tests: how alike the running server finds the two photos of each pair that a tester brings.

RCW 43.386.050 asks for a programming interface by which others can test a service for accuracy and unfair differences
between groups. This one is given photos and face models and nothing else: no collection, no face, no user, no index, so
that nobody who is enrolled has a part in what it answers. Whether a pair is mated, and who is on it, stays with the
tester; a server that is not told cannot answer by it. The way from a photo to a Similarity is that of every search, by
the models that are loaded for it, and the entry in the ledger pins them as the entry of a search does. The entry has
the hash of the answer too: what was answered cannot be denied later, nor made up.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785

from countenance.errors import ImageTooLarge, InvalidImageFormat, InvalidParameter, Misconfigured
from countenance.faces import Template
from countenance.fairness.testing.terms import MAX_PAIRS, MAX_PHOTOS, NO_FACE
from countenance.ledger.entries import Model
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.photos import PhotoBytes, Photos
from countenance.service.uses import Use, Uses
from countenance.vision.analysis import Vision
from countenance.vision.calibration import Calibration

# Random bytes in an answer, without which its hash in the ledger would tell whoever has the same photos of the test.
NONCE_BYTES = 16

# What is the matter with one photo: a failure to enrol, which does not stop the test of others.
_FAILURES = (InvalidImageFormat, ImageTooLarge, InvalidParameter)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a photo has no template (ISO/IEC 19795-1: failure to enrol): `NO_FACE`, or the exception that it raised."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class PhotoResult:
    """One photo, by the SHA-256 of its file. `faces`: how many were found, of which the largest counts."""

    digest: str
    faces: int
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class PairResult:
    """Two photos, by their places, and how alike their largest faces are; None where one has no template.

    `cosine` -1 to 1, as the recognizer has it; `similarity` 0 to 100, as every other answer has it.
    """

    left: int
    right: int
    cosine: float | None
    similarity: float | None


@dataclass(frozen=True, slots=True)
class PairsResult:
    """What was found, and what found it, pinned as in the ledger. `photos` and `pairs` are in the order asked for."""

    model: Model
    photos: tuple[PhotoResult, ...]
    pairs: tuple[PairResult, ...]
    nonce: str

    def text(self) -> bytes:
        """The answer as it is handed over, canonical JSON (RFC 8785): the ledger has the SHA-256 of these bytes."""
        return rfc8785.dumps(
            {
                "Model": {
                    "FaceModelVersion": self.model.face_model_version,
                    "Files": list(self.model.files),
                    "Calibration": self.model.calibration,
                },
                "Photos": [_photo(photo) for photo in self.photos],
                "Pairs": [
                    {"Left": pair.left, "Right": pair.right, "Cosine": pair.cosine, "Similarity": pair.similarity}
                    for pair in self.pairs
                ],
                "Nonce": self.nonce,
            }
        )


class IndependentTesting:
    """Compares pairs of photos for whoever tests. Keeps no photo and no template."""

    def __init__(self, uses: Uses, photos: Photos, vision: Vision) -> None:
        self._uses = uses
        self._photos = photos
        self._vision = vision

    def pairs(
        self,
        caller: Caller,
        photos: Sequence[PhotoBytes],
        pairs: Sequence[tuple[int, int]],
        *,
        face_model_version: str | None = None,
    ) -> PairsResult:
        """Compare the largest faces of the two photos of each pair, which are places in `photos`, from 0.

        `face_model_version` is the one of new collections when it is None. A photo without a face, or that any other
        operation would refuse, is a failure to enrol and told as one. Raises `InvalidParameter` for too many photos or
        pairs, for a pair that is none, and for a face model version that does not answer here.
        """
        with self._uses.use(caller, Action.TEST_PAIRS, photos=len(photos), pairs=len(pairs)) as use:
            _check(len(photos), pairs)
            version, calibration = self._served(face_model_version)
            use.by(version)
            looked_at = [self._look(source, version, use) for source in photos]
            use.saw(sum(template is not None for _, template in looked_at))
            templates = [template for _, template in looked_at]
            assert use.record.model is not None
            result = PairsResult(
                use.record.model,
                tuple(result for result, _ in looked_at),
                tuple(_compared(left, right, templates, calibration) for left, right in pairs),
                os.urandom(NONCE_BYTES).hex(),
            )
            use.details(answer=hashlib.sha256(result.text()).hexdigest())
            return result

    def _served(self, version: str | None) -> tuple[str, Calibration]:
        in_use = self._vision.face_model_version
        wanted = version or in_use
        try:
            self._vision.recognizer(wanted)
            return wanted, self._vision.calibration(wanted)
        except Misconfigured as error:
            raise InvalidParameter(
                f"Face model version {wanted} does not answer on this server: leave it away for {in_use}, which does."
            ) from error

    def _look(self, source: PhotoBytes, version: str, use: Use) -> tuple[PhotoResult, Template | None]:
        try:
            photo = self._photos.open(source)
        except _FAILURES as error:
            digest = hashlib.sha256(source.data).hexdigest()
            return PhotoResult(digest, 0, Failure(error.code, error.message)), None
        use.looked_at(photo)
        faces = self._vision.detect(photo)
        if not faces:
            return PhotoResult(photo.digest, 0, Failure(NO_FACE, "No face was found.")), None
        (template,) = self._vision.templates(photo, faces[:1], version)
        return PhotoResult(photo.digest, len(faces), None), template


def _check(photos: int, pairs: Sequence[tuple[int, int]]) -> None:
    if photos > MAX_PHOTOS or len(pairs) > MAX_PAIRS:
        raise InvalidParameter(
            f"There are {photos} photos and {len(pairs)} pairs: test at most {MAX_PHOTOS} and {MAX_PAIRS} at once."
        )
    for place, (left, right) in enumerate(pairs):
        if not 0 <= min(left, right) <= max(left, right) < photos:
            raise InvalidParameter(f"Pair {place} is of photos {left} and {right}, and there are {photos}, from 0.")
        if left == right:
            raise InvalidParameter(f"Pair {place} is of photo {left} and itself: give two photos.")


def _compared(left: int, right: int, templates: Sequence[Template | None], calibration: Calibration) -> PairResult:
    one, other = templates[left], templates[right]
    if one is None or other is None:
        return PairResult(left, right, None, None)
    cosine = float(one.vector @ other.vector)
    return PairResult(left, right, cosine, calibration.similarity(cosine))


def _photo(photo: PhotoResult) -> dict[str, Any]:
    told: dict[str, Any] = {"SHA256": photo.digest, "Faces": photo.faces}
    if photo.failure is not None:
        told["FailureToEnrol"] = {"Code": photo.failure.code, "Message": photo.failure.message}
    return told
