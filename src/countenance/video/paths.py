"""Paths: which face of a frame is which of the frames before.

In the manner of SORT and ByteTrack (Bewley et al. 2016; Zhang et al. 2022): faces are predicted to move on as they did,
and assigned to the paths that they overlap with so that the sum of overlaps is the largest. What ByteTrack's second
round does with boxes of little confidence the detector has done already: it looks again, closely, before it answers.
Where overlap does not decide (faces cross, one was hidden for a while, the scene was cut), what the faces look like
does, if it may be looked at. Cameras that sway are followed by overlaps of widened boxes (Yang et al. 2023, C-BIoU).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from countenance.faces import BoundingBox

# Least overlap (intersection over union) of a face with where it is predicted to be.
MIN_OVERLAP = 0.2
# A face that overlaps with two paths is doubtful when it does so with the second at least by this.
CONTESTED = 0.1

# How far boxes are widened on each side, in their own sizes, where they do not overlap as they are.
WIDENED = 0.5

# How long a face may be hidden and still go on with its path, in milliseconds; and without a look at it.
LOST_MS = 3000
LOST_BLINDLY_MS = 500

# How far a hidden face may have gone from where it was seen last: in its own sizes, at once and a second later.
REACH, REACH_A_SECOND = 1.5, 4.0

# The share of a newly measured velocity in the one that is predicted with.
_FRESH = 0.5

Vector = NDArray[np.float32]


class Change(IntEnum):
    """How different a frame is from the last: STEADY; MOVED when the camera or much of the picture moved, or the scene
    was cut to one that looks the same from afar; CUT when it is another scene.
    """

    STEADY = 0
    MOVED = 1
    CUT = 2


@dataclass(slots=True, eq=False)
class Path:
    """One face through time. `velocity` is of its centre, in ratios of the frame a millisecond; `seen_ms` when it was
    seen last. `portraits` are its best faces: a quality and the embedding, float32 (d,), that bears its own weight.
    """

    person: int
    box: BoundingBox
    seen_ms: int
    velocity: tuple[float, float] = (0.0, 0.0)
    told_ms: int | None = None
    portraits: list[tuple[float, Vector]] = field(default_factory=list)

    def predicted(self, timestamp_ms: int) -> BoundingBox:
        """Where the face should be."""
        gap = min(timestamp_ms - self.seen_ms, LOST_BLINDLY_MS)
        across, down = self.velocity
        box = self.box
        return BoundingBox(box.left + across * gap, box.top + down * gap, box.width, box.height)

    def goes_on(self, timestamp_ms: int, box: BoundingBox) -> None:
        """The face is seen again."""
        gap = timestamp_ms - self.seen_ms
        if 0 < gap <= LOST_BLINDLY_MS:
            (x, y), (old_x, old_y) = _centre(box), _centre(self.box)
            across, down = self.velocity
            self.velocity = (
                (1 - _FRESH) * across + _FRESH * (x - old_x) / gap,
                (1 - _FRESH) * down + _FRESH * (y - old_y) / gap,
            )
        else:
            self.velocity = (0.0, 0.0)
        self.box, self.seen_ms = box, timestamp_ms

    def vector(self) -> Vector | None:
        """The unit-norm mean of its portraits, better ones weighing more; None when there are none."""
        if not self.portraits:
            return None
        total = np.sum([vector for _, vector in self.portraits], axis=0)
        return np.asarray(total / np.linalg.norm(total), dtype=np.float32)


def assign(
    paths: Sequence[Path],
    boxes: Sequence[BoundingBox],
    timestamp_ms: int,
    *,
    change: Change,
    look: Callable[[int], Vector] | None,
    alike: float,
    unlike: float,
) -> list[Path | None]:
    """For each box the path it goes on with, or None for a face that was not seen before.

    `look` gives the unit-norm embedding, float32 (d,), of the face in the box of a number; it is asked where overlap
    does not decide, and a cosine of at least `alike` is needed there, and not less than `unlike` where only widened
    boxes overlap. Without it overlap alone decides, and nothing goes on after a cut.
    """
    goes_on: list[Path | None] = [None] * len(boxes)
    if not paths or not boxes:
        return goes_on

    def settle(pairs: Sequence[tuple[int, int]]) -> None:
        for row, column in pairs:
            goes_on[column] = paths[row]

    if change is not Change.CUT and (look is None or change is Change.STEADY):
        overlap = _overlap(paths, boxes, timestamp_ms, 0.0)
        least = 1.0 if look is None else CONTESTED
        settle([pair for pair in _best(overlap, MIN_OVERLAP) if not _contested(overlap, pair, least)])
    likeness = np.zeros((len(paths), len(boxes)))
    if look is not None:
        for row, column in _open(paths, goes_on):
            if change is Change.CUT or _within_reach(paths[row], boxes[column], timestamp_ms):
                likeness[row, column] = _likeness(paths[row], look(column))
        settle(_best(likeness, alike))
    if change is not Change.CUT:
        widened = _overlap(paths, boxes, timestamp_ms, WIDENED)
        near = np.zeros_like(widened)
        for pair in _open(paths, goes_on):
            if look is None or likeness[pair] >= unlike:
                near[pair] = widened[pair]
        settle([pair for pair in _best(near, MIN_OVERLAP) if not _contested(near, pair, MIN_OVERLAP)])
    return goes_on


def _overlap(
    paths: Sequence[Path], boxes: Sequence[BoundingBox], timestamp_ms: int, widened: float
) -> NDArray[np.float64]:
    """Overlaps of boxes with where the paths are predicted to be, each widened so far; 0 for paths long hidden."""
    return np.array(
        [
            [
                _widened(path.predicted(timestamp_ms), widened).iou(_widened(box, widened))
                if timestamp_ms - path.seen_ms <= LOST_BLINDLY_MS
                else 0.0
                for box in boxes
            ]
            for path in paths
        ]
    )


def _widened(box: BoundingBox, share: float) -> BoundingBox:
    across, down = box.width * share, box.height * share
    return BoundingBox(box.left - across, box.top - down, box.width + 2 * across, box.height + 2 * down)


def _open(paths: Sequence[Path], goes_on: Sequence[Path | None]) -> list[tuple[int, int]]:
    """The pairs of paths and boxes, by number, neither of which is assigned yet."""
    taken = {id(path) for path in goes_on if path is not None}
    columns = [column for column, path in enumerate(goes_on) if path is None]
    return [(row, column) for row, path in enumerate(paths) if id(path) not in taken for column in columns]


def _likeness(path: Path, vector: Vector) -> float:
    """The cosine of a face with a path; 0 where the path has no portrait."""
    known = path.vector()
    return 0.0 if known is None else float(known @ vector)


def _best(worth: NDArray[np.float64], least: float) -> list[tuple[int, int]]:
    """The pairs of rows and columns that are worth the most together, of those worth at least `least` each."""
    rows, columns = linear_sum_assignment(np.where(worth >= least, worth, 0.0), maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(row, column) for row, column in pairs if worth[row, column] >= least]


def _contested(overlap: NDArray[np.float64], pair: tuple[int, int], least: float) -> bool:
    """Whether another path or another face, with an overlap of at least `least`, could be meant as well."""
    row, column = pair
    others = np.concatenate([np.delete(overlap[:, column], row), np.delete(overlap[row], column)])
    return bool((others >= least).any())


def _within_reach(path: Path, box: BoundingBox, timestamp_ms: int) -> bool:
    """Whether a face can have come from the end of a path to this box; sizes are compared too."""
    (x, y), (old_x, old_y) = _centre(box), _centre(path.box)
    width, height = (box.width + path.box.width) / 2, (box.height + path.box.height) / 2
    way = max(abs(x - old_x) / width, abs(y - old_y) / height)
    return way <= REACH + REACH_A_SECOND * (timestamp_ms - path.seen_ms) / 1000


def _centre(box: BoundingBox) -> tuple[float, float]:
    return box.left + box.width / 2, box.top + box.height / 2
