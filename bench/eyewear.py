"""The coefficients of glasses and sunglasses, fitted and measured anew: `python -m bench.eyewear FOLDER [--write]`.

FOLDER holds `fairface/` (validation set of FairFace) and `congress/` (portraits of the US Congress of 2024). What the
faces wear was labelled by looking at them, without knowing what any model said: `labels/eyewear.csv`. Half of the
people fit, the other half judge, and the other way round; then all fit what is shipped.
"""

from __future__ import annotations

import base64
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_expit
from scipy.stats import rankdata

from bench.attributes import Models
from countenance.vision import eyewear

LABELS = Path(__file__).parent / "labels" / "eyewear.csv"
HEAD = Path(eyewear.__file__).parent / "models" / "heads" / "eyewear.json"

RIDGE = 30.0

ABOUT = """\
Linear heads over the features of countenance.vision.eyewear, fitted by bench/eyewear.py on photos of {count} people of
FairFace's validation set (CC BY 4.0) and the US Congress of 2024 (public domain), {glasses} of them with glasses, of
which {sunglasses} are dark; labels in bench/labels/eyewear.csv, made by looking at the photos. Measured on people the
coefficients were not fitted on, by halves. Few sunglasses: their figures are rough.
"""

Array = NDArray[np.float64]


def main(arguments: Sequence[str]) -> None:
    """Fit, measure, print; write what is shipped when asked to."""
    folder, models = Path(arguments[0]), Models()
    groups = _groups(folder)
    rows, glasses, sunglasses, names = [], [], [], []
    with LABELS.open(newline="") as file:
        for row in csv.DictReader(file):
            found = models.largest(folder / row["file"])
            if found is None:
                continue
            rows.append(eyewear.features(*found))
            glasses.append(row["wears"] != "nothing")
            sunglasses.append(row["wears"] == "sunglasses")
            names.append(row["file"])
    x = np.array(rows, np.float64)
    group = np.array([groups.get(name, "Congress") for name in names])
    half = np.arange(len(x)) % 2 == 0
    measured: dict[str, float] = {}
    heads = {}
    for name, answers in (("glasses", np.array(glasses)), ("sunglasses", np.array(sunglasses))):
        scores = np.empty(len(x))
        for part in (half, ~half):
            weights = _ridge(x[part], answers[part])
            scores[~part] = x[~part] @ weights[:-1] + weights[-1]
        slope, offset = _platt(scores, answers)
        said = slope * scores + offset > 0
        measured[f"{name}: area under ROC"] = round(_area(scores, answers), 4)
        measured[f"{name}: missed"] = round(float(np.mean(~said[answers])), 4)
        measured[f"{name}: seen where there are none"] = round(float(np.mean(said[~answers])), 4)
        for one in np.unique(group):
            here = group == one
            missed, vain = (~said)[here & answers], said[here & ~answers]
            print(
                f"{name:11} {one:16} missed {missed.sum():2} of {len(missed):3}, "
                f"seen where there are none {vain.sum():2} of {len(vain):3}"
            )
        weights = _ridge(x, answers) * slope
        weights[-1] += offset
        heads[name] = base64.b64encode(weights.astype(np.float16).tobytes()).decode()
    for figure, value in measured.items():
        print(f"{figure}: {value}")
    about = ABOUT.format(count=len(x), glasses=sum(glasses), sunglasses=sum(sunglasses))
    if "--write" in arguments:
        HEAD.write_text(
            json.dumps({"about": about.replace("\n", " ").strip(), "measured": measured, **heads}, indent=1) + "\n"
        )


def _groups(folder: Path) -> dict[str, str]:
    """FairFace's label of appearance, by file."""
    with (folder / "fairface" / "labels_val.csv").open(newline="") as file:
        return {f"fairface/{row['file']}": row["race"] for row in csv.DictReader(file)}


def _ridge(x: Array, answers: NDArray[np.bool_]) -> Array:
    """Coefficients and offset of ridge regression on -1 and 1, by its dual: there are more features than people."""
    mean, target = x.mean(axis=0), answers * 2.0 - 1.0
    centred = x - mean
    dual = np.linalg.solve(centred @ centred.T + RIDGE * np.eye(len(x)), target - target.mean())
    weights = centred.T @ dual
    return np.append(weights, target.mean() - mean @ weights)


def _platt(scores: Array, answers: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset that make log odds of scores (Platt 1999)."""
    signs = answers * 2.0 - 1.0

    def loss(line: Array) -> float:
        return -float(log_expit(signs * (line[0] * scores + line[1])).mean())

    slope, offset = minimize(loss, np.array([1.0, 0.0])).x
    return float(slope), float(offset)


def _area(scores: Array, answers: NDArray[np.bool_]) -> float:
    positives, negatives = answers.sum(), (~answers).sum()
    return float((rankdata(scores)[answers].sum() - positives * (positives + 1) / 2) / (positives * negatives))


if __name__ == "__main__":
    main(sys.argv[1:])
