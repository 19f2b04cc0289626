"""Eyes: their outlines and pupils, and whether they are open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countenance.vision import crops
from countenance.vision.details import Judgement
from countenance.vision.images import Photo
from countenance.vision.judgement import logistic
from countenance.vision.mesh import EYE_LEFT_INNER, EYE_LEFT_OUTER, EYE_RIGHT_INNER, EYE_RIGHT_OUTER, Mesh
from countenance.vision.models.sessions import Session

SIZE = 64  # pixels; what the model takes

# The model was trained on squares of this many eye widths (MediaPipe's iris_landmark graphs).
MARGIN = 2.3

# Places in the model's outline of an eye. It runs from the outer corner along the lower lid to the inner corner,
# then again from the outer side along the upper lid.
_OUTER, _INNER = 0, 8
_LOWER = (1, 2, 3, 4, 5, 6, 7)
_UPPER = (9, 10, 11, 12, 13, 14, 15)
_OUTLINE = 16

# Opening at which open and closed are equally likely, and how fast that changes. All 204 portraits of the London set
# (eyes open) are above 0.13; of FairFace's faces below 0.08 nearly all have their eyes closed. Between lie eyes
# narrowed by laughing or by the sun, and looks cast down: low confidence.
_PARTED = 0.11
_PARTED_SCALE = 0.012


@dataclass(frozen=True, slots=True, eq=False)
class Eye:
    """One eye: `outline` float32 (16, 2), `iris` float32 (5, 2), centre first, in pixels of the upright photo."""

    outline: NDArray[np.float32]
    iris: NDArray[np.float32]

    @property
    def outer(self) -> NDArray[np.float32]:
        """The corner away from the nose."""
        return np.asarray(self.outline[_OUTER])

    @property
    def inner(self) -> NDArray[np.float32]:
        """The corner at the nose."""
        return np.asarray(self.outline[_INNER])

    @property
    def upper_lid(self) -> NDArray[np.float32]:
        """The middle of the upper lid's edge."""
        return np.asarray(self.outline[_UPPER[3]])

    @property
    def lower_lid(self) -> NDArray[np.float32]:
        """The middle of the lower lid's edge."""
        return np.asarray(self.outline[_LOWER[3]])

    @property
    def pupil(self) -> NDArray[np.float32]:
        """The centre of the iris."""
        return np.asarray(self.iris[0])

    @property
    def width(self) -> float:
        """From corner to corner, in pixels."""
        return float(np.hypot(*(self.outer - self.inner)))

    @property
    def opening(self) -> float:
        """Mean distance of the lids over the eye's width: about 0.3 wide open, below 0.1 closed."""
        gaps = np.hypot(*(self.outline[list(_UPPER)] - self.outline[list(_LOWER)]).T)
        return float(gaps.mean()) / max(self.width, 1e-6)


@dataclass(frozen=True, slots=True, eq=False)
class Eyes:
    """Both eyes; left is the photo's left."""

    left: Eye
    right: Eye


def are_open(eyes: Eyes) -> Judgement:
    """Whether the eyes are open: their mean opening. Confidence: logistic in it, 50 at the point of doubt."""
    return logistic(((eyes.left.opening + eyes.right.opening) / 2 - _PARTED) / _PARTED_SCALE)


class EyeReader:
    """Finds outlines and pupils with an `iris` model: outputs `contour` (n, 71 * 3) and `iris` (n, 5 * 3).

    The model knows the eye on the left of the photo; the other is shown to it mirrored.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def read(self, photo: Photo, mesh: Mesh) -> Eyes:
        """The eyes of the face that `mesh` fits."""
        left = self._crop(photo, mesh, EYE_LEFT_OUTER, EYE_LEFT_INNER)
        right = self._crop(photo, mesh, EYE_RIGHT_INNER, EYE_RIGHT_OUTER)
        outputs = self._session.infer(np.stack([left.pixels, right.pixels[:, ::-1]]))
        outlines = outputs["contour"].reshape(2, -1, 3)[:, :_OUTLINE, :2]
        irises = outputs["iris"].reshape(2, -1, 3)[:, :, :2]
        mirrored = np.array([SIZE, 0], np.float32), np.array([-1, 1], np.float32)
        return Eyes(
            Eye(left.to_photo(outlines[0]), left.to_photo(irises[0])),
            Eye(
                right.to_photo(mirrored[0] + mirrored[1] * outlines[1]),
                right.to_photo(mirrored[0] + mirrored[1] * irises[1]),
            ),
        )

    def _crop(self, photo: Photo, mesh: Mesh, left_corner: int, right_corner: int) -> crops.Crop:
        left, right = mesh.flat[left_corner], mesh.flat[right_corner]
        across = right - left
        return crops.upright(photo.pixels, (left + right) / 2, across, MARGIN * float(np.hypot(*across)), SIZE)
