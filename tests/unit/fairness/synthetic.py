"""People whose error rates are known by construction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from countenance.fairness.data.datasets import DataSet, DataSetDescription, Image, Manifest
from countenance.fairness.data.enrolment import Enrolment
from countenance.vision.calibration import DataSetCard

DIMENSION = 64


def true_threshold(fmr: float) -> float:
    """The cosine that a share `fmr` of pairs of random directions reaches: (1 + cos) / 2 is beta-distributed."""
    half = (DIMENSION - 1) / 2
    return float(2 * beta.isf(fmr, half, half) - 1)


def random_directions(number: int, seed: int) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(number, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def enrolment(
    groups: dict[str, NDArray[np.float32]], *, name: str = "synthetic", images_per_subject: int = 1, outside: str = ""
) -> Enrolment:
    """One template per row of each group; `images_per_subject` consecutive rows are one person."""
    card = DataSetCard(name=name, source="a random generator", licence="CC0-1.0", labels="none")
    subject = "{id}" if images_per_subject > 1 else None
    description = DataSetDescription(
        card=card, manifest=Manifest(file="none.csv", images=("{id}",), subject=subject, groupings=(("group",),))
    )
    images = []
    for group, templates in groups.items():
        for row in range(len(templates)):
            image = f"{group}/{row}"
            person = f"{group}/{row // images_per_subject}" if subject else image
            images.append(Image(Path(image), image, person, person, (f"group={group}",), group == outside))
    data_set = DataSet(description, tuple(images))
    return Enrolment(data_set, data_set.images, np.concatenate(list(groups.values())), (), "0" * 64)
