"""A test of many pairs: sent request by request, kept as it goes, and written down as a table of scores.

    scores.csv            the manifest's columns, cosine and similarity: one row for each pair that was compared
    scores.failures.csv   photos without a template, and why: they are in no score, and count as failures to enrol
    scores.answers.jsonl  the answers as they came, a line each: what made the scores, and the hashes of the photos
    scores.receipts/      the entries of the ledger that have the hash of each line, for anyone to check (`evidence`)
    scores.journal        what was answered so far

The journal goes when all the others are written and every answer was found in the ledger.
"""

from __future__ import annotations

import csv
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TextIO

from countenance.errors import InvalidParameter, Misconfigured
from countenance.fairness.testing import evidence
from countenance.fairness.testing.door import Door, Failure, Pins, RequestTooLarge
from countenance.fairness.testing.journal import Answered, Head, Journal
from countenance.fairness.testing.manifest import COSINE, SIMILARITY, LabelledPair, PairManifest
from countenance.fairness.testing.terms import MAX_PAIRS, MAX_PHOTOS
from countenance.ledger.notes import Verifier
from countenance.ledger.receipts import SUFFIX

# What two photos of CompareFaces may have, which any server takes as it comes. A larger pair is sent alone.
MAX_BYTES = 10 * 1024**2

# What a person watching is told: how many pairs are done.
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a test came to. `photos` counts files, `failures` are those without a template, by their paths."""

    pairs: int
    compared: int
    photos: int
    failures: dict[str, Failure]
    model: Pins


@dataclass
class _Batch:
    """Pairs of one request, and their photos, each once."""

    pairs: list[tuple[int, int]] = field(default_factory=list)
    photos: dict[str, bytes] = field(default_factory=dict)

    def takes(self, pair: LabelledPair, manifest: PairManifest) -> bool:
        """Whether there is room for one more."""
        new = {pair.left, pair.right} - self.photos.keys()
        size = sum(map(len, self.photos.values())) + sum(manifest.path(name).stat().st_size for name in new)
        return not self.pairs or (
            len(self.pairs) < MAX_PAIRS and len(self.photos) + len(new) <= MAX_PHOTOS and size <= MAX_BYTES
        )

    def add(self, pair: LabelledPair, manifest: PairManifest) -> None:
        """Take it in."""
        for name in (pair.left, pair.right):
            if name not in self.photos:
                self.photos[name] = manifest.path(name).read_bytes()
        places = {name: place for place, name in enumerate(self.photos)}
        self.pairs.append((places[pair.left], places[pair.right]))


class PairTest:
    """One test: a manifest, a server, and the table that the scores go into."""

    def __init__(self, manifest: PairManifest, door: Door, output: Path, face_model_version: str | None = None) -> None:
        """Raises `InvalidParameter` unless the table is to be a CSV file."""
        if output.suffix.lower() != ".csv":
            raise InvalidParameter(f"{output} must end in .csv: the scores are written as a CSV table.")
        self._manifest, self._door, self._version = manifest, door, face_model_version
        self._output = output
        self._path = output.with_suffix(".journal")

    def run(self, keys: Sequence[Verifier], progress: Progress, stop: threading.Event) -> Outcome | None:
        """Send what is left of the test, write the scores, and hold every answer against the ledger of these keys.

        None when it was stopped before all was answered. Raises `InvalidParameter` for photos and journals that cannot
        be used, `Misconfigured` when the server cannot be reached, refuses, or changes its model while it is tested,
        and what `evidence.check` raises; what was answered until then is kept.
        """
        head = Head(manifest=self._manifest.digest, endpoint=self._door.endpoint_url, face_model_version=self._version)
        with closing(Journal(self._path, head)) as journal:
            progress(journal.done)
            for batch in self._batches(journal.done):
                if stop.is_set():
                    return None
                self._send(batch, journal)
                progress(journal.done)
            outcome = self._write(journal)
            self._prove(journal, keys)
        self._path.unlink()
        return outcome

    def _batches(self, done: int) -> Iterator[_Batch]:
        batch = _Batch()
        try:
            for pair in islice(self._manifest.pairs(), done, None):
                if not batch.takes(pair, self._manifest):
                    yield batch
                    batch = _Batch()
                batch.add(pair, self._manifest)
        except OSError as error:
            raise InvalidParameter(f"{error.filename} cannot be read: {error.strerror}.") from error
        if batch.pairs:
            yield batch

    def _send(self, batch: _Batch, journal: Journal) -> None:
        try:
            reply = self._door.test(list(batch.photos.values()), batch.pairs, self._version)
        except RequestTooLarge as error:
            raise Misconfigured(f"{error.message} Make {' and '.join(batch.photos)} smaller.") from error
        if journal.model is not None and reply.answer.model != journal.model:
            raise Misconfigured(
                "The server answers by another model than when the test began: its scores would be of two models. "
                f"Remove {self._path} to begin anew."
            )
        journal.add(Answered(photos=tuple(batch.photos), receipt=reply.receipt, text=reply.text))

    def _write(self, journal: Journal) -> Outcome:
        failures: dict[str, Failure] = {}
        photos: set[str] = set()
        compared = 0

        def scored() -> Iterator[tuple[float, float] | None]:
            for answered in journal.answers():
                failures.update(answered.failures)
                yield from answered.scores

        with _written(self._output) as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow([*self._manifest.columns, COSINE, SIMILARITY])
            for pair, score in zip(self._manifest.pairs(), scored(), strict=True):
                photos |= {pair.left, pair.right}
                if score is not None:
                    compared += 1
                    table.writerow([*pair.row.values(), *map(repr, score)])
        with _written(self._output.with_suffix(".failures.csv")) as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["photo", "code", "message"])
            table.writerows([name, one.code, one.message] for name, one in sorted(failures.items()))
        with _written(self._output.with_suffix(".answers.jsonl")) as file:
            file.writelines(f"{answered.text}\n" for answered in journal.answers())
        assert journal.model is not None
        return Outcome(self._manifest.count, compared, len(photos), failures, journal.model)

    def _prove(self, journal: Journal, keys: Sequence[Verifier]) -> None:
        """Hold every answer against the ledger, and keep the receipts, one a file."""
        folder = self._output.with_suffix(".receipts")
        folder.mkdir(exist_ok=True)
        numbers = [answered.receipt for answered in journal.answers()]
        proofs = evidence.fetched(self._door.endpoint_url, numbers)
        for answered, receipt in zip(journal.answers(), proofs, strict=True):
            evidence.check(receipt, answered, keys)
            (folder / f"{receipt.index}{SUFFIX}").write_text(str(receipt), encoding="utf-8")


@contextmanager
def _written(path: Path) -> Iterator[TextIO]:
    """A text file that is there when it is whole."""
    part = path.with_name(f"{path.name}.part")
    with part.open("w", newline="", encoding="utf-8") as file:
        yield file
    os.replace(part, path)
