"""Detection: where the faces in a photo are, with five keypoints each.

The detector sees faces 15 to 430 pixels wide, upright to within 30 degrees. This module makes that hold for photos of
any size and orientation: it looks at a photo at more than one scale, and looks again, closely and from every side, at
whatever it is not sure of.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from countenance.faces import BoundingBox
from countenance.vision import crops
from countenance.vision.images import Photo
from countenance.vision.models.sessions import Session
from countenance.vision.scaling import scaled
from countenance.vision.yunet import BOX, CONFIDENCE, KEYPOINTS, ROW, Rows, YuNet, suppress

# Rekognition's limit: the largest faces of a photo.
MAX_FACES = 100

# Least confidence of a face at first look, and at a second look that alone suffices. Of 22 photos without a human face,
# of animals and coffee cups among others, none passes either; of 5,000 FairFace photos 13 pass neither.
THRESHOLD, CONFIRMED = 0.72, 0.85
# A face less confident than FIRM at first look is none when a second look gives it less than REFUTED.
FIRM, REFUTED = 0.8, 0.5
# Least confidence for a second look, and the confidence that needs none: 7 of 100 upright faces have less, and all but
# 1 of 200 upside-down ones, whose eyes the detector takes for mouths.
DOUBTFUL, SURE = 0.3, 0.92
# A head tilted by more, in radians, gets a second look however sure the first: keypoints drift with the tilt.
LEVEL = np.radians(20)
# Second looks one photo may cost, largest candidates first; and the number of surely upright faces after which others
# of the same photo that seem upright are believed.
MAX_SECOND_LOOKS = 12
ALIKE = 2

# Longer side of the picture, in pixels, in the pass that finds most faces; in the one that finds wide faces, for photos
# whose longer side has more than NARROW, and faces that lie on their side; and in the one for larger photos in which
# faces narrower than CROWDED pixels were found, for where some are so small others are smaller still. A coarse pass at
# 320 pixels costs half as much; templates of wide faces lose 0.01 of their cosine by it.
FINE, COARSE, FINEST = 1280, 480, 2560
NARROW = 640
CROWDED = 16
# Smaller photos are enlarged, at most so many times: keypoints gain a quarter in precision.
SMALLEST, MAX_ENLARGEMENT = 160, 2.0
# Width of a face, in pixels of a pass, from which a coarser pass may see it better, and from which this one begins to
# see several faces in it.
WIDE, WIDEST = 250, 400

# The second look: a square of so many pixels, so many times as large as the face, turned to so many sides.
_LOOK_SIDE, _LOOK_MARGIN, _LOOK_SIDES = 160, 2.0, 8


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One face: its box in ratios of the photo, the confidence (0 to 100) that it is one, and five keypoints.

    `keypoints` is float32 (5, 2), x and y in pixels of the upright photo: the eye on the left of an upright face's
    image, the one on the right, nose, the mouth's corner on the left, the one on the right.
    """

    bounding_box: BoundingBox
    confidence: float
    keypoints: NDArray[np.float32]


class FaceDetector:
    """Finds faces with a YuNet session. Thread-safe."""

    def __init__(self, session: Session) -> None:
        self._yunet = YuNet(session)

    def detect(self, photo: Photo) -> list[Detection]:
        """The largest faces of a photo, at most 100, largest first."""
        faces = self._judge(photo.pixels, self._survey(photo.pixels), THRESHOLD)
        if not len(faces):
            faces = self._judge(photo.pixels, self._survey_turned(photo.pixels), CONFIRMED)
        return [_detection(row, photo) for row in _largest_first(faces)[:MAX_FACES]]

    def _survey(self, pixels: NDArray[np.uint8]) -> Rows:
        """Candidates at every scale."""
        fine = _scale(pixels, FINE)
        picture = scaled(pixels, fine)
        rows = self._pass(picture, fine)
        if max(picture.shape) > NARROW:
            coarse = _scale(pixels, COARSE)
            wide = self._pass(scaled(picture, coarse / fine), coarse)
            rows = _closer(wide[wide[:, 2] * fine > WIDE], rows, fine)
        if (finest := _scale(pixels, FINEST)) > fine and (rows[:, 2] * fine < CROWDED).any():
            rows = _closer(rows, self._pass(scaled(pixels, finest), finest), finest)
        return rows

    def _survey_turned(self, pixels: NDArray[np.uint8]) -> Rows:
        """Candidates in the photo turned by one, two and three quarters, as they lie in `pixels`."""
        scale = _scale(pixels, COARSE)
        picture = scaled(pixels, scale)
        height, width = picture.shape[:2]
        found = []
        for quarters, back in (
            (1, [[0, -1, width], [1, 0, 0]]),
            (2, [[-1, 0, width], [0, -1, height]]),
            (3, [[0, 1, 0], [-1, 0, height]]),
        ):
            turned = np.ascontiguousarray(np.rot90(picture, quarters))
            rows = self._yunet.candidates(turned, DOUBTFUL)
            found.append(_moved(rows, np.array(back) / scale))
        return suppress(np.concatenate(found))

    def _pass(self, picture: NDArray[np.uint8], scale: float) -> Rows:
        """Candidates in `picture`, which shows the photo at `scale`, in pixels of the photo."""
        rows = self._yunet.candidates(picture, DOUBTFUL)
        rows[:, :CONFIDENCE] /= scale
        return rows

    def _judge(self, pixels: NDArray[np.uint8], candidates: Rows, threshold: float) -> Rows:
        """Those of the candidates that are faces: of at least `threshold`, or confirmed by a second look, which also
        corrects them, where the first was not sure.
        """
        looks, upright = MAX_SECOND_LOOKS, 0
        faces = [np.empty((0, ROW), dtype=np.float32)]
        for first in _largest_first(candidates):
            level = abs(_roll(first)) <= LEVEL
            passes = first[CONFIDENCE] >= threshold
            needs_none = level and (first[CONFIDENCE] >= SURE or (passes and upright >= ALIKE))
            second = np.zeros(ROW, dtype=np.float32)
            if looks > 0 and not needs_none:
                looks -= 1
                second = self._look_again(pixels, first)
                passes = passes and (first[CONFIDENCE] >= FIRM or second[CONFIDENCE] >= REFUTED)
            if passes or second[CONFIDENCE] >= CONFIRMED:
                face = _agreed(first, second)
                faces.append(face[None])
                known = first[CONFIDENCE] >= SURE or second[CONFIDENCE] >= CONFIRMED
                upright += known and abs(_roll(face)) <= LEVEL
        return suppress(np.concatenate(faces))

    def _look_again(self, pixels: NDArray[np.uint8], candidate: NDArray[np.float32]) -> NDArray[np.float32]:
        """The candidate as it is seen closely: with the side up that it seems to have up, with every other, and then,
        as the best of these shows it, exactly level. Its confidence is 0 when nothing is seen in its place.
        """
        rolls = _roll(candidate) + np.arange(_LOOK_SIDES) * (2 * np.pi / _LOOK_SIDES)
        region = _surroundings(pixels, candidate)
        looks = [self._look(region, roll) for roll in rolls]
        best = max(looks, key=_confidence)
        if _confidence(best) == 0:
            return best
        return max(best, self._look(_surroundings(pixels, best), _roll(best)), key=_confidence)

    def _look(self, region: crops.Region, roll: float) -> NDArray[np.float32]:
        """What is seen in the middle of `region` when the photo is turned back by `roll`, in radians."""
        crop = region.upright(np.array([np.cos(roll), np.sin(roll)]))
        rows = self._yunet.candidates(crop.pixels, DOUBTFUL)
        middle = _LOOK_SIDE / 2
        offset = np.abs(rows[:, :2] + rows[:, 2:4] / 2 - middle).max(axis=1, initial=0.0)
        rows = rows[offset < middle / 2]
        if not len(rows):
            return np.zeros(ROW, dtype=np.float32)
        back = np.asarray(cv2.invertAffineTransform(crop.matrix), dtype=np.float64)
        return np.asarray(_moved(rows[:1], back)[0])


def _surroundings(pixels: NDArray[np.uint8], candidate: NDArray[np.float32]) -> crops.Region:
    """What a look closely at a candidate shows."""
    side = _LOOK_MARGIN * float(candidate[2:4].max())
    return crops.Region(pixels, candidate[:2] + candidate[2:4] / 2, side, _LOOK_SIDE)


def _scale(pixels: NDArray[np.uint8], longest: int) -> float:
    """What brings the photo's longer side to at most `longest` pixels, and to SMALLEST if that can be had."""
    side = int(max(pixels.shape[:2]))
    return min(longest / side, max(1.0, min(SMALLEST / side, MAX_ENLARGEMENT)))


def _largest_first(rows: Rows) -> Rows:
    return rows[np.argsort(-rows[:, 2] * rows[:, 3], kind="stable")]


def _closer(rows: Rows, finer: Rows, scale: float) -> Rows:
    """`rows` with what a pass at `scale` adds to them, less what it sees within faces that are too wide for it."""
    wide = rows[rows[:, 2] * scale > WIDEST]
    return suppress(np.concatenate([rows, finer[~_centred_in(finer, wide)]]))


def _centred_in(rows: Rows, boxes: Rows) -> NDArray[np.bool_]:
    """Which of `rows` have their centre in any of `boxes`."""
    centres = (rows[:, :2] + rows[:, 2:4] / 2)[:, None]
    low, high = boxes[None, :, :2], boxes[None, :, :2] + boxes[None, :, 2:4]
    inside: NDArray[np.bool_] = np.logical_and.reduce((centres >= low) & (centres <= high), axis=2)
    return np.asarray(np.logical_or.reduce(inside, axis=1), dtype=np.bool_)


def _agreed(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """The face that two looks show: the better one's, unless the second saw that the face stands otherwise."""
    turned = abs(np.angle(np.exp(1j * (_roll(first) - _roll(second))))) > LEVEL
    better = second if second[CONFIDENCE] > (CONFIRMED if turned else first[CONFIDENCE]) else first
    face = better.copy()
    face[CONFIDENCE] = max(first[CONFIDENCE], second[CONFIDENCE])
    return face


def _confidence(row: NDArray[np.float32]) -> float:
    return float(row[CONFIDENCE])


def _roll(row: NDArray[np.float32]) -> float:
    """The angle, in radians clockwise, by which a face leans, from the way between its eyes and its mouth."""
    points = row[KEYPOINTS].reshape(5, 2)
    down = points[3:].mean(axis=0) - points[:2].mean(axis=0)
    return float(np.arctan2(-down[0], down[1]))


def _moved(rows: Rows, matrix: NDArray[np.float64]) -> Rows:
    """Rows as a similarity transform, float64 (2, 3), takes them.

    Boxes stay upright: they become the bounds of the ellipse that they bounded, for a face is one rather than a
    rectangle.
    """
    linear, shift = matrix[:, :2], matrix[:, 2]
    moved = rows.copy()
    sizes = np.sqrt((rows[:, None, 2:4] ** 2 * linear**2).sum(axis=2))
    centres = (rows[:, :2] + rows[:, 2:4] / 2) @ linear.T + shift
    moved[:, :2], moved[:, 2:4] = centres - sizes / 2, sizes
    moved[:, KEYPOINTS] = (rows[:, KEYPOINTS].reshape(-1, 5, 2) @ linear.T + shift).reshape(-1, 10)
    return moved


def _detection(row: NDArray[np.float32], photo: Photo) -> Detection:
    x, y, width, height = (float(value) for value in row[BOX])
    box = BoundingBox(x / photo.width, y / photo.height, width / photo.width, height / photo.height)
    return Detection(box, float(row[CONFIDENCE]) * 100, row[KEYPOINTS].reshape(5, 2).copy())
