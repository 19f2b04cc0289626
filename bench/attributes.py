"""The coefficients of smile and age range, fitted anew: `python -m bench.attributes FOLDER`.

FOLDER holds `london/` (Face Research Lab London Set) and `fairface/` (validation set of FairFace). Prints what stands
in countenance.vision.mouth and .age, with the figures that their documentation states.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import rankdata

from countenance.settings import ImageFormat, InferencePrecision, default_model_store
from countenance.vision import mouth, pose
from countenance.vision.age import AgeEstimator
from countenance.vision.detection import FaceDetector
from countenance.vision.images import Photo, decode
from countenance.vision.mesh import FaceMesh, Mesh
from countenance.vision.models.cards import Catalogue, Role
from countenance.vision.models.sessions import OpenVINOSession

FOLDS = 10
# The share of people whose age the range is to hold.
COVERAGE = 0.70
OLDEST = 85  # years; end of FairFace's open band, "more than 70"

Array = NDArray[np.float64]


class Models:
    """Detector, mesh and age model."""

    def __init__(self) -> None:
        def ready(role: Role) -> OpenVINOSession:
            card = Catalogue().default(role)
            return OpenVINOSession(card, default_model_store(), precision=InferencePrecision.F32, workers=1)

        self._detector = FaceDetector(ready(Role.DETECTOR))
        self._mesh = FaceMesh(ready(Role.LANDMARKS))
        self.age = AgeEstimator(ready(Role.AGE))

    def largest(self, file: Path) -> tuple[Photo, Mesh] | None:
        """The mesh of the largest face in a file."""
        formats = frozenset({ImageFormat.JPEG})
        photo = decode(file.read_bytes(), formats=formats, max_bytes=10**7, max_pixels=10**7, min_side=1)
        meshes = self._mesh.fit(photo, self._detector.detect(photo)[:1])
        return (photo, meshes[0]) if meshes else None


def main(arguments: Sequence[str]) -> None:
    """Fit and print."""
    folder, models = Path(arguments[0]), Models()
    smile(models, folder / "london")
    age(models, folder / "fairface")


def smile(models: Models, folder: Path) -> None:
    """Logistic regression of smiling on the shape of the mouth, judged on people it did not see."""
    shapes, smiling, people = [], [], []
    for answer, name in ((0.0, "neutral_front"), (1.0, "smiling_front")):
        for file in sorted((folder / name).glob("*.jpg")):
            found = models.largest(file)
            assert found is not None
            shapes.append(mouth.smile_shape(pose.straightened(found[1].points)))
            smiling.append(answer)
            people.append(file.name[:3])
    x, y = np.array(shapes), np.array(smiling)
    order = np.random.default_rng(0).permutation(np.unique(people))
    fold = np.array([int(np.nonzero(order == person)[0][0]) % FOLDS for person in people])
    scores = np.empty(len(y))
    for k in range(FOLDS):
        weights = _logistic(x[fold != k], y[fold != k])
        scores[fold == k] = weights[0] + x[fold == k] @ weights[1:]
    ranks = rankdata(scores)
    positives, negatives = y.sum(), (1 - y).sum()
    area = (ranks[y == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    print(f"smile: area under ROC {area:.3f}, right {np.mean((scores > 0) == (y == 1)):.3f}, {FOLDS}-fold by person")
    print("  offset and coefficients:", np.round(_logistic(x, y), 2).tolist())


def age(models: Models, folder: Path) -> None:
    """Quantile regression of age on the model's mean and spread: odd file numbers fit, even ones judge."""
    with (folder / "labels_val.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    features, bands, numbers = [], [], []
    for row in rows:
        found = models.largest(folder / row["file"])
        if found is None:
            continue
        features.append((1.0, *models.age.moments(*found)))
        low, high = (70, OLDEST) if row["age"] == "more than 70" else map(int, row["age"].split("-"))
        bands.append((low, high))
        numbers.append(int(Path(row["file"]).stem))
    x, band, number = np.array(features), np.array(bands), np.array(numbers)
    # The band is all that is known: any age within it is as likely.
    years = np.random.default_rng(0).uniform(band[:, 0], band[:, 1] + 1)
    seen = number % 2 == 1
    low = x @ (low_weights := _quantile(x[seen], years[seen], (1 - COVERAGE) / 2))
    high = x @ (high_weights := _quantile(x[seen], years[seen], (1 + COVERAGE) / 2))
    inside = ((np.maximum(low, 0) <= years) & (years <= high))[~seen]
    print(
        f"age: {inside.mean():.3f} of {len(inside)} held out inside, ranges of {(high - low)[~seen].mean():.1f} years"
    )
    for start in np.unique(band[:, 0]):
        print(f"  from {start}: {inside[band[~seen, 0] == start].mean():.2f}")
    print("  low, high:", np.round(low_weights, 3).tolist(), np.round(high_weights, 3).tolist())


def _logistic(x: Array, y: Array, penalty: float = 1.0) -> Array:
    """Offset and coefficients, ridge on standardised columns, by Newton's method."""
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    z = np.column_stack([np.ones(len(x)), (x - mean) / deviation])
    ridge = penalty * np.diag([0.0] + [1.0] * x.shape[1])
    weights = np.zeros(z.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-z @ weights))
        curvature = z.T @ (z * (p * (1 - p))[:, None]) + ridge
        weights -= np.linalg.solve(curvature, z.T @ (p - y) + ridge @ weights)
    slopes = weights[1:] / deviation
    return np.concatenate([[weights[0] - slopes @ mean], slopes])


def _quantile(x: Array, y: Array, share: float) -> Array:
    """Coefficients of the linear `share` quantile of y."""

    def loss(weights: Array) -> float:
        rest = y - x @ weights
        return float(np.mean(np.maximum(share * rest, (share - 1) * rest)))

    weights = np.linalg.lstsq(x, y, rcond=None)[0]
    for _ in range(4):
        weights = minimize(loss, weights, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-6}).x
    return np.asarray(weights)


if __name__ == "__main__":
    main(sys.argv[1:])
