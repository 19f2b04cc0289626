"""Writes cimat.json: what the reference implementation of intervals says of some comparisons.

cimat 0.1.2 (awslabs, Apache-2.0: the package of Fogliato, Patil and Perona, IJCV 2024) needs an older NumPy than
Countenance, so it runs in an environment of its own:

    python -m venv /tmp/cimat && /tmp/cimat/bin/pip install cimat==0.1.2
    /tmp/cimat/bin/python tests/unit/fairness/statistics/cimat_figures.py
"""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("cimat.json")
IMAGES = ([1] * 30, [4] * 20, [1, 5, 2, 3, 1, 1, 7, 2, 2, 4, 1, 3])
THRESHOLDS = (0.05, 0.15, 0.25)


def main() -> None:
    """Several populations, several thresholds: the comparisons, two variances, two intervals."""
    from cimat import UncertaintyEstimator  # noqa: PLC0415 -- not there where the tests are

    cases = []
    for seed, images in enumerate(IMAGES):
        generator = np.random.default_rng(seed)
        people = np.repeat(np.arange(len(images)), images)
        vectors = np.repeat(generator.normal(size=(len(images), 16)), images, axis=0)
        vectors += 0.8 * generator.normal(size=vectors.shape)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        rows = [
            (int(people[i]), int(people[j]), round(float(vectors[i] @ vectors[j]), 4))
            for i, j in combinations(range(len(people)), 2)
        ]
        scores: dict[int, dict[int, list[float]]] = {person: {} for person in range(len(images))}
        for one, other, score in rows:
            scores[one].setdefault(other, []).append(score)
            if one != other:
                scores[other].setdefault(one, []).append(score)
        figures = []
        # Halfway between two rounded scores, so that nothing hangs on how equality is counted.
        for threshold in (value + 0.00005 for value in THRESHOLDS):
            estimator = UncertaintyEstimator(scores)
            of_mated, of_non_mated = estimator.compute_variance(threshold)
            mated, non_mated = estimator.get_binerror_ci(threshold)
            figures.append(
                {
                    "threshold": threshold,
                    "fnmr_variance": None if np.isnan(of_mated) else of_mated,
                    "fmr_variance": of_non_mated,
                    "fnmr_interval": None if np.isnan(mated).any() else mated,
                    "fmr_interval": non_mated,
                }
            )
        cases.append({"images": images, "comparisons": rows, "figures": figures})
    FILE.write_text(json.dumps(cases) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
