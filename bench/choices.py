"""Does a choice of our pipeline cause part of the differences between demographic groups?

    python -m bench.choices --data FOLDER [--kept FOLDER]

FOLDER (or COUNTENANCE_TEST_DATA) holds `fairface`, `congress` and `london`, laid out as docs/calibration/*.toml say.
Each photo is detected once; then the detector's thresholds, the treatment of the crop and the quality filter are
varied, always on the same people, and differences are paired (`countenance.fairness.statistics.paired`). `--kept`
names a folder for what took long, so that a second run is fast; it holds templates. docs/pipeline-choices.md says what
was found.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from bench import machine
from bench.darkness import BANDS, likeness
from bench.sightings import Sightings
from bench.treated import CONFIDENCE, FACE_MODEL_VERSION, titled, treated
from bench.treatments import SHIPPED, TREATMENTS
from countenance.faces import Template
from countenance.fairness.audit import Question
from countenance.fairness.data.datasets import DataSet, Image, read_data_set
from countenance.fairness.record import EVERYONE, Rate
from countenance.fairness.statistics.evidence import groupings_of
from countenance.fairness.statistics.intervals import normal_quantile
from countenance.fairness.statistics.rates import clustered
from countenance.settings import InferencePrecision, Settings
from countenance.vision import detection, quality
from countenance.vision.embedding import Embedding
from countenance.vision.quality import QualityFilter, Reason

CARDS = Path(__file__).parent.parent / "docs" / "calibration"
# What photos are counted by: columns one by one, for detection and quality have few errors. Comparisons have many, and
# are counted by the groupings of the cards.
COLUMNS = {
    "fairface": [["race"], ["gender"], ["age"]],
    "congress": [["gender"]],
    "london": [["face_eth"], ["face_gender"]],
}
MIN_SUBJECTS = 100
QUESTIONS = {
    "fairface": Question(similarities=(80,), overall=(1e-3,), min_subjects=MIN_SUBJECTS),
    "congress": Question(similarities=(80, 90), overall=(1e-4, 1e-5), min_subjects=MIN_SUBJECTS),
    "london": Question(similarities=(80, 90), overall=(1e-3,), min_subjects=MIN_SUBJECTS),
}

# Thresholds of the detector: least confidence at first look, least that confirms a face at a second look, and below
# which of the first a second look must not refute it.
DETECTORS = {
    "much lower": {"THRESHOLD": 0.5, "CONFIRMED": 0.6, "FIRM": 0.5},
    "lower": {"THRESHOLD": 0.6, "CONFIRMED": 0.75, "FIRM": 0.7},
    SHIPPED: {"THRESHOLD": detection.THRESHOLD, "CONFIRMED": detection.CONFIRMED, "FIRM": detection.FIRM},
    "higher": {"THRESHOLD": 0.8, "CONFIRMED": 0.9, "FIRM": 0.85},
    "much higher": {"THRESHOLD": 0.9, "CONFIRMED": 0.92, "FIRM": 0.92},
}
# A face of at least this confidence, by whichever look, passes every one of them.
CERTAIN = 92.0
# Without a second look, and without turning the photo: what the detector alone says.
ONE_LOOK = {"MAX_SECOND_LOOKS": 0, "THRESHOLD": detection.DOUBTFUL, "CONFIRMED": 2}
ONE_LOOK_THRESHOLDS = (0.5, 0.6, detection.THRESHOLD, 0.8, 0.9)

# Faces of each group that are darkened, and brightness bars: the one that ships, and those that MEDIUM and HIGH had.
DARKENED = 60
BRIGHTNESS_BARS = (7.0, 10.0, 15.0)


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """Places of the images of each group, int64, and the number of the subject of each image, int32 (images,)."""

    groups: Mapping[str, NDArray[np.int64]]
    subjects: NDArray[np.int32]

    @classmethod
    def of(cls, data_set: DataSet, images: Sequence[Image]) -> Members:
        """Everyone first, then the groups of each column."""
        names = sorted({image.identity for image in images})
        places = {name: place for place, name in enumerate(names)}
        subjects = np.array([places[image.identity] for image in images], np.int32)
        groups = {
            name: np.flatnonzero(grouping.of_image == place)
            for grouping in groupings_of(data_set, images)
            for place, name in enumerate(grouping.groups)
        }
        return cls(groups, subjects)

    def rate(self, group: str, errors: NDArray[np.bool_], *, statements: int = 1) -> Rate:
        """The share of a group's images to which something happens; so that as many intervals hold together."""
        chosen = self.groups[group]
        return clustered(errors[chosen], self.subjects[chosen], 1 - (1 - CONFIDENCE) / statements)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.choices", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("COUNTENANCE_TEST_DATA"))
    parser.add_argument("--kept", type=Path, help="folder for what took long, of one's own and outside a repository")
    parser.add_argument("--only", nargs="+", choices=list(COLUMNS), default=list(COLUMNS))
    options = parser.parse_args(arguments)
    if options.data is None:
        parser.error("give --data FOLDER, or set COUNTENANCE_TEST_DATA")
    os.nice(1)
    console = Console(width=250, highlight=False, soft_wrap=True)
    console.print(machine.describe())
    with tempfile.TemporaryDirectory(prefix="countenance-bench-") as folder, Progress(transient=True) as progress:
        settings = Settings(data=Path(folder), inference_precision=InferencePrecision.F32, workers=machine.cores())
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done)

        for name in options.only:
            data_set = read_data_set(CARDS / f"{name}.toml", options.data / name, COLUMNS[name])
            sightings = Sightings(settings, data_set, options.kept or Path(folder), show)
            whole = read_data_set(CARDS / f"{name}.toml", options.data / name)
            parts = [detectors(sightings), filters(sightings), treated(whole, sightings, QUESTIONS[name])]
            if name == "fairface":
                parts.insert(2, darkness(sightings))
            for tables in parts:
                for table in tables:
                    console.print(table)
    return 0


def detectors(sightings: Sightings) -> Iterator[Table]:
    """Failures to enrol by the detector's thresholds, with and without its second looks."""
    images = sightings.data_set.images
    members = Members.of(sightings.data_set, images)
    doubtful = [place for place, face in enumerate(sightings.faces) if face is None or face.confidence < CERTAIN]
    failures: dict[str, NDArray[np.bool_]] = {}
    for name, constants in DETECTORS.items():
        failed = np.array([face is None for face in sightings.faces])
        if name != SHIPPED:
            failed[doubtful] = sightings.confidences(doubtful, **constants) == 0
        failures[f"{name}: {constants['THRESHOLD']:g}, {constants['CONFIRMED']:g}"] = failed
    yield _of_groups(sightings, "failures to enrol by the detector's thresholds", members, failures)
    alone = sightings.confidences(range(len(images)), **ONE_LOOK)
    failures = {f"{threshold:g}": alone < threshold for threshold in ONE_LOOK_THRESHOLDS}
    yield _of_groups(sightings, "failures to enrol by the threshold of one look alone", members, failures)


def filters(sightings: Sightings) -> Iterator[Table]:
    """Faces that the quality filter refuses, and why."""
    found = [image for image, _ in sightings.found]
    members = Members.of(sightings.data_set, found)
    vectors = sightings.embeddings()[:, list(TREATMENTS).index(SHIPPED)]
    norms = np.linalg.norm(vectors, axis=1)
    embeddings = [
        Embedding(Template((vector / norm).astype(np.float32), FACE_MODEL_VERSION), float(norm))
        for vector, norm in zip(vectors, norms, strict=True)
    ]
    details = sightings.details()
    for quality_filter in (QualityFilter.LOW, QualityFilter.AUTO, QualityFilter.MEDIUM, QualityFilter.HIGH):
        said = [
            quality.reasons(detail, quality_filter, embedding)
            for detail, embedding in zip(details, embeddings, strict=True)
        ]
        refused = {"any": np.array([bool(reasons) for reasons in said])}
        for reason in Reason:
            holds = np.array([reason in reasons for reasons in said])
            if holds.any():
                refused[reason.value] = holds
        yield _of_groups(sightings, f"faces that QualityFilter {quality_filter} refuses", members, refused)
        passes = np.array([set(reasons) <= {Reason.LOW_BRIGHTNESS} for reasons in said])
        brightness = np.array([detail.quality.brightness for detail in details])
        alone = {f"below {bar:g}": passes & (brightness < bar) for bar in BRIGHTNESS_BARS}
        title = f"faces that QualityFilter {quality_filter} would refuse for brightness alone, by its bar"
        yield _of_groups(sightings, title, members, alone)


def _of_groups(sightings: Sightings, title: str, members: Members, errors: Mapping[str, NDArray[np.bool_]]) -> Table:
    """Shares with intervals; * where those of all groups together do not reach to the share of everyone."""
    table = titled(sightings, title, ["", "images", *errors])
    for group, chosen in members.groups.items():
        cells = []
        for wrong in errors.values():
            everyone, rate = members.rate(EVERYONE, wrong), members.rate(group, wrong)
            wide = members.rate(group, wrong, statements=len(members.groups) - 1).interval
            apart = wide is not None and not wide.low <= (everyone.rate or 0.0) <= wide.high
            cells.append(f"{_share(rate)}{'*' if apart and group != EVERYONE else ''}")
        table.add_row(group, str(len(chosen)), *cells)
    return table


def _share(rate: Rate) -> str:
    assert rate.interval is not None
    return f"{rate.errors} = {rate.rate or 0.0:.2%} [{rate.interval.low:.2%}, {rate.interval.high:.2%}]"


def darkness(sightings: Sightings) -> Iterator[Table]:
    """Likeness that is left at one brightness, by the groups of the first column."""
    found = [image for image, _ in sightings.found]
    members = Members.of(sightings.data_set, found)
    column = sightings.data_set.description.manifest.groupings[0][0]
    groups = {name: places for name, places in members.groups.items() if name.startswith(f"{column}=")}
    bands = list(pairwise(BANDS))
    table = titled(
        sightings, "cosine to the untouched photo, by brightness", ["", *(f"{a:g} to {b:g}" for a, b in bands)]
    )
    for group, places in groups.items():
        fadings = sightings.fadings(places[:: max(1, len(places) // DARKENED)][:DARKENED].tolist())
        cells = []
        for low, high in bands:
            left = likeness(fadings, low, high)
            reach = normal_quantile(CONFIDENCE) * float(np.std(left)) / max(1, len(left)) ** 0.5
            cells.append(f"{np.mean(left):.3f} ± {reach:.3f}" if len(left) >= 10 else "-")
        table.add_row(group, *cells)
    yield table


if __name__ == "__main__":
    sys.exit(main())
