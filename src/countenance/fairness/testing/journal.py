"""What was answered so far: a file beside the scores, so that a test that was interrupted goes on where it was.

A line of JSON per request, behind one that says which test it is. It holds answers as they came, never a photo. A last
line that was not written whole does not count.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from countenance.errors import InvalidParameter
from countenance.fairness.testing.door import Answer, Failure, Pins


class Head(BaseModel):
    """Which test it is: the manifest by its SHA-256, the server, and the face model version that was asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    manifest: str
    endpoint: str
    face_model_version: str | None


class Answered(BaseModel):
    """One request: the photos by their paths, the answer as it came, and the entry of the ledger that has its hash."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    photos: tuple[str, ...]
    receipt: int
    text: str

    @cached_property
    def answer(self) -> Answer:
        """What it says. Raises pydantic's `ValidationError`."""
        return Answer.model_validate_json(self.text)

    @property
    def sha256(self) -> str:
        """The answer's hash."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def scores(self) -> list[tuple[float, float] | None]:
        """Cosine and Similarity of each pair, in the manifest's order; None where a photo has no template."""
        return [
            None if pair.cosine is None or pair.similarity is None else (pair.cosine, pair.similarity)
            for pair in self.answer.pairs
        ]

    @property
    def failures(self) -> dict[str, Failure]:
        """The photos without a template, by their paths."""
        told = zip(self.photos, self.answer.photos, strict=True)
        return {name: photo.failure for name, photo in told if photo.failure is not None}


class Journal:
    """The journal of one test, held open while it runs."""

    def __init__(self, path: Path, test: Head) -> None:
        """Raises `InvalidParameter` when the file is the journal of another test, or none."""
        self._path = path
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
        self.done = 0
        self.model: Pins | None = None
        try:
            self._resume(test)
        except BaseException:
            self._file.close()
            raise

    def add(self, answered: Answered) -> None:
        """Keep one more answer."""
        self._write(answered)
        self._count(answered)

    def answers(self) -> Iterator[Answered]:
        """All answers so far, in the manifest's order."""
        with self._path.open("rb") as file:
            next(file)
            yield from map(Answered.model_validate_json, file)

    def close(self) -> None:
        """Lets go of the file, and removes it when nothing was answered."""
        self._file.close()
        if not self.done:
            self._path.unlink(missing_ok=True)

    def _resume(self, test: Head) -> None:
        first = self._file.readline()
        if not first.endswith(b"\n"):
            self._file.seek(0)
            self._file.truncate()
            self._write(test)
            return
        try:
            if Head.model_validate_json(first) != test:
                raise InvalidParameter(
                    f"{self._path} is of another test, of other pairs, another server or another face model version: "
                    "remove it, or choose another --output."
                )
            whole = len(first)
            while (line := self._file.readline()).endswith(b"\n"):
                self._count(Answered.model_validate_json(line))
                whole += len(line)
        except ValidationError as error:
            raise InvalidParameter(f"{self._path} is no journal of a test: remove it to begin anew.") from error
        self._file.seek(whole)
        self._file.truncate()

    def _write(self, line: BaseModel) -> None:
        self._file.write(line.model_dump_json().encode() + b"\n")
        self._file.flush()

    def _count(self, answered: Answered) -> None:
        self.done += len(answered.answer.pairs)
        self.model = self.model or answered.answer.model
