"""The index of templates: in memory, disposable, and exact."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.gallery import cores
from countenance.gallery.blocks import Block
from countenance.gallery.candidates import Candidates
from countenance.gallery.quantization import BLOCK, quantizer
from countenance.gallery.segments import Segment

# The newest templates are not coded yet, only compared exactly. At so many of them they are moved to a segment.
TAIL = 1 << 13
FIRST_TAIL = 1 << 6

# Templates added at once are coded in batches of so many, which bounds the memory it takes.
BATCH = 1 << 16

# A template this far from unit length is somebody's mistake; half floats and renormalised means stay well inside.
UNIT_NORM_TOLERANCE = 0.02

# How often a search starts anew because templates were replaced meanwhile, before it keeps writers out.
PATIENCE = 3


@dataclass(frozen=True, slots=True)
class _State:
    segments: tuple[Segment, ...]
    tail: Block

    @property
    def living(self) -> int:
        return sum(segment.block.living for segment in self.segments) + self.tail.living


class TemplateIndex:
    """Templates of one face model version by key, searched for the nearest ones; safe to share between threads.

    An answer is the exact one: the templates, as half floats, with the largest inner products with the probe.
    They are found by a scan over codes whose error is bounded (see certificate.py), and compared exactly before they
    are answered. What a scan cannot settle is settled by comparing everything.

    Memory per template: 2 d bytes of half floats, 64 (d = 128) or 128 (d = 512) of codes, and 9 of bookkeeping.
    An erased template's numbers and codes are overwritten before `drop` returns. A search that runs meanwhile may still
    find it; none that starts afterwards does. Searches of before may hold copies of codes until they end.
    """

    def __init__(self, dimension: int) -> None:
        """For templates of `dimension` d, 1 to 1024."""
        self._quantizer = quantizer(dimension)
        self._lock = threading.Lock()
        self._replacing = 0
        self._state = _State((), Block(dimension, FIRST_TAIL))

    def __len__(self) -> int:
        return self._state.living

    @property
    def dimension(self) -> int:
        """d."""
        return self._quantizer.dimension

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        state = self._state
        return state.tail.nbytes + sum(segment.nbytes for segment in state.segments)

    def put(self, keys: NDArray[np.int64], templates: NDArray[np.float16]) -> None:
        """Adds templates (n, d) of unit norm, each replacing the one with the same key; keys are distinct.

        Raises ValueError for anything else, and then changes nothing.
        """
        keys = np.asarray(keys, np.int64)
        rows = np.asarray(templates, np.float16)
        if rows.shape != (len(keys), self.dimension) or len(np.unique(keys)) != len(keys):
            raise ValueError(f"expected one template of {self.dimension} dimensions for each of distinct keys")
        if not all(_are_unit(rows[start : start + TAIL]) for start in range(0, len(rows), TAIL)):
            raise ValueError("templates are of unit norm")
        with self._lock:
            replaced = self._find(keys)
            with self._replacement() if replaced else nullcontext():
                self._erase(replaced)
                self._append(keys, rows)

    def drop(self, keys: NDArray[np.int64]) -> None:
        """Erases the templates with these keys; keys that are not there are passed over."""
        with self._lock:
            self._erase(self._find(np.unique(np.asarray(keys, np.int64))))
            if any(_half_empty(segment) for segment in self._state.segments):
                with self._replacement():
                    self._compact()

    def search(
        self, probe: NDArray[np.float32], threshold: float, limit: int, exclude: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Keys and cosines of the up to `limit` (at least 1) nearest templates, best first, ties by ascending key.

        The cosine is the float32 inner product of a unit probe (d,) with the template's half floats; at least
        `threshold`. `exclude` is the key of a template to leave out.
        """
        probe = np.ascontiguousarray(probe, np.float32)
        if probe.shape != (self.dimension,) or not abs(np.linalg.norm(probe) - 1) <= UNIT_NORM_TOLERANCE:
            raise ValueError(f"a probe is a vector of {self.dimension} dimensions and unit norm")
        if limit < 1:
            raise ValueError("limit is at least 1")
        for _ in range(PATIENCE):
            before = self._replacing
            if before % 2:
                break
            answer = self._search(self._state, probe, threshold, limit, exclude)
            if self._replacing == before:
                return answer
        with self._lock:
            return self._search(self._state, probe, threshold, limit, exclude)

    def _search(
        self, state: _State, probe: NDArray[np.float32], threshold: float, limit: int, exclude: int | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        cores.alone()
        found = Candidates(threshold, limit, exclude)
        found.offer_nearest(state.tail, probe[None])
        if state.segments:
            rotated = self._quantizer.probe(probe)
            templates = 1 << (sum(segment.coded for segment in state.segments) - 1).bit_length()
            waiting = deque(state.segments)

            def work() -> None:
                while True:
                    try:
                        segment = waiting.popleft()
                    except IndexError:
                        return
                    segment.search(probe[None], rotated, templates, found)

            # This thread does what no other has time for, so a search never waits for another one to end.
            helpers = [cores.pool().submit(work) for _ in range(min(cores.count(), len(waiting)) - 1)]
            work()
            for helper in helpers:
                if not helper.cancel():
                    helper.result()
        return found.best()

    @contextmanager
    def _replacement(self) -> Iterator[None]:
        """While templates move, a search might see neither the old nor the new ones: those that meet it start anew."""
        self._replacing += 1
        try:
            yield
        finally:
            self._replacing += 1

    def _append(self, keys: NDArray[np.int64], rows: NDArray[np.float16]) -> None:
        for start in range(0, len(keys), BATCH):
            self._append_batch(keys[start : start + BATCH], rows[start : start + BATCH])

    def _append_batch(self, keys: NDArray[np.int64], rows: NDArray[np.float16]) -> None:
        segments, tail = self._state.segments, self._state.tail
        if tail.count + len(keys) > TAIL:
            living = np.flatnonzero(tail.alive)
            keys, rows = np.concatenate([tail.keys[living], keys]), np.concatenate([tail.rows[living], rows])
            coded = len(keys) // BLOCK * BLOCK
            segments = self._coded(segments, keys[:coded], rows[:coded])
            keys, rows = keys[coded:], rows[coded:]
            tail = Block(self.dimension, FIRST_TAIL)
        if tail.count + len(keys) > tail.capacity:
            tail = tail.grown(min(TAIL, max(tail.count + len(keys), 2 * tail.capacity)))
        tail.append(keys, rows)
        self._state = _State(segments, tail)

    def _coded(
        self, segments: tuple[Segment, ...], keys: NDArray[np.int64], rows: NDArray[np.float16]
    ) -> tuple[Segment, ...]:
        while len(keys):
            if not segments or not segments[-1].room:
                segments = (*segments, Segment.empty(self._quantizer))
            *full, last = segments
            taken = min(last.room, len(keys))
            segments = (*full, last.extended(self._quantizer, keys[:taken], rows[:taken]))
            keys, rows = keys[taken:], rows[taken:]
        return segments

    def _compact(self) -> None:
        kept: list[Segment] = []
        left: list[tuple[NDArray[np.int64], NDArray[np.float16]]] = []
        for segment in self._state.segments:
            if not _half_empty(segment):
                kept.append(segment)
                continue
            living = np.flatnonzero(segment.block.alive)
            coded = len(living) // BLOCK * BLOCK if len(living) > TAIL else 0
            if coded:
                kept.append(segment.only(self._quantizer, living[:coded]))
            left.append((segment.block.keys[living[coded:]], segment.block.rows[living[coded:]]))
        self._state = _State(tuple(kept), self._state.tail)
        for keys, rows in left:
            self._append(keys, rows)

    def _find(self, keys: NDArray[np.int64]) -> list[tuple[Segment | None, Block, NDArray[np.intp]]]:
        state = self._state
        holders: list[tuple[Segment | None, Block]] = [(segment, segment.block) for segment in state.segments]
        holders.append((None, state.tail))
        places = [(segment, block, block.find(keys)) for segment, block in holders]
        return [(segment, block, found) for segment, block, found in places if len(found)]

    def _erase(self, places: list[tuple[Segment | None, Block, NDArray[np.intp]]]) -> None:
        for segment, block, found in places:
            if segment is None:
                block.erase(found)
            else:
                segment.erase(self._quantizer, found)


def _are_unit(rows: NDArray[np.float16]) -> bool:
    vectors = rows.astype(np.float32)
    return bool((np.abs(np.sqrt(np.vecdot(vectors, vectors)) - 1) <= UNIT_NORM_TOLERANCE).all())


def _half_empty(segment: Segment) -> bool:
    """Whether a segment is worth rewriting without its dead templates, to have the memory back."""
    return segment.block.living * 2 < segment.coded
