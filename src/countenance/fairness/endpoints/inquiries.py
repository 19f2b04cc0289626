"""A data set measured at somebody else's endpoint, by a plan.

Answers are kept in a journal where one is named, so that no comparison is paid for twice; photos never are. Only what
was enrolled for a search is enrolled again, because its collection is deleted whenever a run ends. Answers in a journal
stay what they were: whoever wants to know what the service says today names another.
"""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from countenance.errors import InvalidParameter
from countenance.fairness.comparisons.all_pairs import quietly
from countenance.fairness.data.datasets import Image
from countenance.fairness.data.enrolment import digest_of
from countenance.fairness.data.journal import Journal, key_of
from countenance.fairness.data.scores import ScoreTable, TableGrouping
from countenance.fairness.endpoints.endpoint import CALLS_AT_ONCE, Answer, Endpoint
from countenance.fairness.endpoints.plans import Plan, Way
from countenance.fairness.statistics.evidence import groupings_of

# Similarities at rest.
AT_REST = np.dtype("<f8")

Progress = Callable[[int, int], None]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What a service said: scores are its Similarity, from 0 to 100.

    `failures`: images in which it found no face (ISO/IEC 19795-1 failure to enrol), which are in no comparison;
    `images`: the others. `face_model_version` where it says one. `notes` say what the figures are figures of.
    """

    table: ScoreTable
    images: tuple[Image, ...]
    failures: tuple[Image, ...]
    face_model_version: str | None
    notes: str


def inquire(endpoint: Endpoint, plan: Plan, *, journal: Path | None = None, progress: Progress = quietly) -> Answers:
    """Ask what the plan says. `progress` is told the calls that are done, and how many there are.

    Raises `Misconfigured` where the endpoint cannot be reached or refuses, and `InvalidParameter` where it finds no
    face in any photo, or the journal cannot be used.
    """
    if journal is None:
        return _inquire(endpoint, plan, None, progress)
    with Journal(journal) as kept:
        return _inquire(endpoint, plan, kept, progress)


def _inquire(endpoint: Endpoint, plan: Plan, journal: Journal | None, progress: Progress) -> Answers:
    images = plan.data_set.images
    with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        work = _Work(endpoint, plan, journal, pool, progress)
        files = work.files()
        version, notes = None, ""
        if plan.way is Way.COMPARE:
            scores, failed = work.compared(files)
            notes = (
                f"{plan.mated:,} mated comparisons, and {plan.non_mated:,} of the non-mated ones within groups, drawn "
                "at random: rates of everyone are of these, and none are across groups."
            )
        else:
            scores, failed, version = work.searched(files)
        silent = int(np.isnan(scores[~(failed[plan.left] | failed[plan.right])]).sum())
        if silent:
            notes = f"{notes} {silent:,} comparisons were not answered and count as Similarity 0.".strip()
    there = ~(failed[plan.left] | failed[plan.right])
    if not there.any():
        raise InvalidParameter(f"{endpoint.name} found no two faces to compare in {plan.data_set.name}.")
    lines = [
        "\t".join((file, image.subject, image.identity, *image.groups))
        for file, image in zip(files, images, strict=True)
    ]
    return Answers(
        table=_table(plan, np.nan_to_num(scores[there]), there, digest_of(lines)),
        images=tuple(image for image, without in zip(images, failed, strict=True) if not without),
        failures=tuple(image for image, without in zip(images, failed, strict=True) if without),
        face_model_version=version,
        notes=f"Photos sent to {endpoint.name} by {plan.way.value}. {notes}".strip(),
    )


class _Work:
    """One run: calls that are under way, answers that are known, and how far it is."""

    def __init__(
        self, endpoint: Endpoint, plan: Plan, journal: Journal | None, pool: ThreadPoolExecutor, progress: Progress
    ) -> None:
        self._endpoint = endpoint
        self._plan = plan
        self._images = plan.data_set.images
        self._journal = journal
        self._pool = pool
        self._progress = progress
        self._done = 0

    def files(self) -> list[str]:
        """The SHA-256 of each image's file."""
        return [hashlib.sha256(_read(image)).hexdigest() for image in self._images]

    def compared(self, files: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The Similarity of each pair of the plan (m,), and which images have no face (n,)."""
        failed = np.zeros(len(files), np.bool_)

        def ask(pair: tuple[int, int]) -> Answer:
            key = key_of(self._endpoint.name, "compare", *(files[place] for place in pair))
            kept = self._journal and self._journal.find(key)
            if kept:
                return _unpacked(kept)
            source, target = (_read(self._images[place]) for place in pair)
            answer = self._endpoint.compare(source, target)
            if self._journal:
                self._journal.record(key, _packed(answer))
            return answer

        selves = [(place, place) for place in range(len(files))]
        for (place, _), answer in self._in_order(ask, selves):
            failed[place] = isinstance(answer, str)
        scores = np.full(len(self._plan.left), np.nan)
        pairs = zip(self._plan.left.tolist(), self._plan.right.tolist(), strict=True)
        asked = [(number, pair) for number, pair in enumerate(pairs) if not failed[list(pair)].any()]
        self._done += len(scores) - len(asked)
        for (number, pair), answer in self._in_order(lambda item: ask(item[1]), asked):
            if isinstance(answer, str):
                # It was found to have a face before: the service does not say the same twice.
                failed[pair[0] if answer == "source" else pair[1]] = True
            else:
                scores[number] = answer
        return scores, failed

    def searched(self, files: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_], str | None]:
        """As `compared`, and the face model version that the service says."""
        size = len(files)
        everything = key_of(*files).hex()
        found = np.full((size, size), np.nan)
        with self._endpoint.collection(self._journal) as (collection, version):

            def index(place: int) -> str | None:
                return self._endpoint.index(collection, place, _read(self._images[place]))

            def search(item: tuple[int, str]) -> NDArray[np.float64]:
                place, face_id = item
                key = key_of(self._endpoint.name, "search", everything, place)
                kept = self._journal and self._journal.find(key)
                if kept:
                    return np.frombuffer(kept, AT_REST)
                row = self._endpoint.search(collection, face_id, size)
                if self._journal:
                    self._journal.record(key, row.astype(AT_REST).tobytes())
                return row

            enrolled = [
                (place, face_id) for place, face_id in self._in_order(index, range(size)) if face_id is not None
            ]
            self._done += size - len(enrolled)
            for (place, _), row in self._in_order(search, enrolled):
                found[place] = row
        failed = np.ones(size, np.bool_)
        failed[[place for place, _ in enrolled]] = False
        left, right = self._plan.left, self._plan.right
        scores: NDArray[np.float64] = np.where(np.isnan(found[left, right]), found[right, left], found[left, right])
        return scores, failed, version

    def _in_order(self, ask: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[Item, Result]]:
        """Several at a time, few ahead, so that a run that is stopped stops."""
        pending: deque[tuple[Item, Future[Result]]] = deque()
        waiting = iter(items)
        while True:
            for item in waiting:
                pending.append((item, self._pool.submit(ask, item)))
                if len(pending) >= 2 * CALLS_AT_ONCE:
                    break
            if not pending:
                return
            item, future = pending.popleft()
            result = future.result()
            self._done += 1
            self._progress(self._done, self._plan.calls)
            yield item, result


def _table(plan: Plan, scores: NDArray[np.float64], there: NDArray[np.bool_], digest: str) -> ScoreTable:
    images = plan.data_set.images
    left, right = plan.left[there], plan.right[there]
    names, people = np.unique([image.identity for image in images], return_inverse=True)
    subjects = np.unique([image.subject for image in images], return_inverse=True)[1]
    return ScoreTable(
        card=plan.data_set.description.card,
        digest=digest,
        scores=scores,
        mated=subjects[left] == subjects[right],
        left=people[left].astype(np.int32),
        right=people[right].astype(np.int32),
        subjects=len(names),
        groupings=tuple(
            TableGrouping(grouping.name, grouping.groups, grouping.of_image[left], grouping.of_image[right])
            for grouping in groupings_of(plan.data_set, images)
        ),
    )


def _read(image: Image) -> bytes:
    try:
        return image.path.read_bytes()
    except OSError as error:
        raise InvalidParameter(f"{image.path} cannot be read: {error.strerror}.") from error


def _packed(answer: Answer) -> bytes:
    return answer.encode() if isinstance(answer, str) else struct.pack("<d", answer)


def _unpacked(kept: bytes) -> Answer:
    if kept == b"source":
        return "source"
    if kept == b"target":
        return "target"
    return float(struct.unpack("<d", kept)[0])
