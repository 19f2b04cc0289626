"""Verification accuracy of the whole pipeline, from photo files to decisions, beside OpenCV's with the same weights.

    python -m bench.accuracy --data FOLDER

FOLDER (or COUNTENANCE_TEST_DATA) holds `congress` and `london`, laid out as docs/calibration/congress.toml and
london.toml say. References are compared with probes taken on another occasion: portraits of 2015 with those of 2024,
neutral faces with smiling ones. Terms are those of ISO/IEC 19795-1: a failure to enrol counts as a false non-match of
every mated comparison it takes part in and never as a false match. At a threshold, scores at or above it match.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.box import MARKDOWN
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench import machine
from bench.contenders import ENTRIES
from countenance.errors import CountenanceError
from countenance.fairness.data.datasets import Image, read_data_set
from countenance.fairness.statistics.intervals import RULE_OF_30, wilson
from countenance.settings import Settings
from countenance.vision.analysis import Vision
from countenance.vision.calibration import PINNED_FMRS, SIMILARITY_OF_FMR, Calibration, Interval

CARDS = Path(__file__).parent.parent / "docs" / "calibration"
DATA_SETS = ("congress", "london")
DEFAULT_CONTENDERS = ("countenance-bf16", "countenance-f32", "opencv")
FMRS = (1e-3, 1e-4)
CONFIDENCE = 0.95

# face_recognition compares by Euclidean distance and does not normalise; the others by cosine.
BY_DISTANCE = frozenset({"face_recognition"})


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Every probe of a data set compared with every reference.

    `mated` and `non_mated` float64: scores, higher is more alike; -inf where either photo yielded no template.
    """

    data_set: str
    photos: int
    failures: int
    mated: NDArray[np.float64]
    non_mated: NDArray[np.float64]

    def threshold(self, fmr: float) -> float | None:
        """The lowest score at which at most a share `fmr` of the non-mated comparisons matches; None where so few
        were made that not even one may."""
        allowed = math.floor(fmr * len(self.non_mated))
        if allowed < 1:
            return None
        return float(np.nextafter(np.sort(self.non_mated)[-allowed - 1], np.inf))

    def fmr(self, threshold: float) -> float:
        """Share of non-mated comparisons at or above `threshold`."""
        return float(np.mean(self.non_mated >= threshold))

    def fnmr(self, threshold: float) -> float:
        """Share of mated comparisons below `threshold`."""
        return float(np.mean(self.mated < threshold))

    def fnmr_interval(self, threshold: float) -> Interval:
        """Interval of `fnmr`; every mated comparison is another person's, so they are independent."""
        return wilson(int(np.sum(self.mated < threshold)), len(self.mated), CONFIDENCE)

    def equal_error_rate(self) -> float:
        """Where the false match and false non-match rates meet: the mean of both where they are nearest."""
        thresholds = np.unique(np.concatenate([self.mated, self.non_mated]))
        misses = np.searchsorted(np.sort(self.mated), thresholds) / len(self.mated)
        matches = 1 - np.searchsorted(np.sort(self.non_mated), thresholds) / len(self.non_mated)
        nearest = int(np.argmin(np.abs(misses - matches)))
        return float(misses[nearest] + matches[nearest]) / 2


def photos(data_set: str, data: Path) -> tuple[list[Image], list[Image]]:
    """References and probes of one of `DATA_SETS` under the folder `data`."""
    described = read_data_set(CARDS / f"{data_set}.toml", data / data_set)
    first, second = (pattern.partition("{")[0] for pattern in described.description.manifest.images)
    references = [image for image in described.images if image.name.startswith(first)]
    probes = [image for image in described.images if image.name.startswith(second)]
    return references, probes


def trial(data_set: str, data: Path, key: str, weights: Path, advance: Callable[[], None] = lambda: None) -> Trial:
    """Let contender `key` compare everything. Raises what its construction raises."""
    references, probes = photos(data_set, data)
    templates = list(_templates(key, [*references, *probes], weights, advance))
    failures = sum(template is None for template in templates)
    size = next(len(template) for template in templates if template is not None)
    filled = np.stack([np.full(size, np.nan) if template is None else template for template in templates])
    if key not in BY_DISTANCE:
        filled /= np.linalg.norm(filled, axis=1, keepdims=True)
    left, right = filled[: len(references)], filled[len(references) :]
    scores = left @ right.T
    if key in BY_DISTANCE:
        scores = -np.sqrt(np.maximum((left**2).sum(1)[:, None] + (right**2).sum(1)[None, :] - 2 * scores, 0))
    scores = np.where(np.isnan(scores), -np.inf, scores)
    same = np.array([[one.subject == other.subject for other in probes] for one in references])
    return Trial(data_set, len(templates), failures, scores[same], scores[~same])


def _templates(
    key: str, images: Sequence[Image], weights: Path, advance: Callable[[], None]
) -> Iterator[NDArray[np.float64] | None]:
    """The first template each contender gives for a photo: all photos show one person."""
    entry = ENTRIES[key]
    threads = machine.cores() if entry.threads else 1
    contender = entry.make(weights, threads)

    def one(image: Image) -> NDArray[np.float64] | None:
        found = contender.encode(image.path.read_bytes())
        return found[0].astype(np.float64) if found else None

    with ThreadPoolExecutor(threads) as pool:
        for template in pool.map(one, images):
            advance()
            yield template


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("COUNTENANCE_TEST_DATA"))
    parser.add_argument("--only", nargs="+", choices=list(ENTRIES), default=list(DEFAULT_CONTENDERS))
    options = parser.parse_args(arguments)
    if options.data is None:
        parser.error("give --data FOLDER, or set COUNTENANCE_TEST_DATA")
    # OpenCV 5 warns at every start that its new engine takes no targets.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    console = Console(width=230, highlight=False, soft_wrap=True)
    console.print(machine.describe())
    trials: dict[str, list[Trial]] = {}
    with tempfile.TemporaryDirectory(prefix="countenance-bench-") as weights, Progress(transient=True) as progress:
        for key in options.only:
            try:
                trials[key] = [_shown(name, options.data, key, Path(weights), progress) for name in DATA_SETS]
            except (ImportError, CountenanceError) as error:
                console.print(f"{ENTRIES[key].title} is left out: {error}")
    if not trials:
        return 1
    for position, name in enumerate(DATA_SETS):
        of_data_set = {key: measured[position] for key, measured in trials.items()}
        console.print(_table(name, of_data_set))
        console.print(_pins_table(name, of_data_set))
    return 0


def _shown(name: str, data: Path, key: str, weights: Path, progress: Progress) -> Trial:
    references, probes = photos(name, data)
    task = progress.add_task(f"{ENTRIES[key].title}, {name}", total=len(references) + len(probes))
    return trial(name, data, key, weights, lambda: progress.advance(task))


def _table(name: str, trials: dict[str, Trial]) -> Table:
    one = next(iter(trials.values()))
    title = f"{name}: {len(one.mated)} mated, {len(one.non_mated)} non-mated comparisons of {one.photos} photos"
    table = Table(box=MARKDOWN, title=title, title_justify="left")
    table.add_column("")
    columns = ["FTE", "equal error"]
    for fmr in FMRS:
        columns += [f"FNMR at FMR {fmr:g}", "95 %", "threshold"]
    for column in [*columns, "lowest mated", "highest non-mated"]:
        table.add_column(column, justify="right")
    for key, measured in trials.items():
        cells = [str(measured.failures), f"{measured.equal_error_rate():.3%}"]
        for fmr in FMRS:
            cells += _at(measured, fmr)
        cells += [f"{measured.mated.min():.3f}", f"{measured.non_mated.max():.3f}"]
        table.add_row(ENTRIES[key].title, *cells)
    return table


def _at(measured: Trial, fmr: float) -> list[str]:
    threshold = measured.threshold(fmr)
    if threshold is None:
        return ["cannot be shown", "-", "-"]
    interval = measured.fnmr_interval(threshold)
    few = "" if fmr * len(measured.non_mated) >= RULE_OF_30 else " (few)"
    return [f"{measured.fnmr(threshold):.2%}{few}", f"{interval.low:.2%} to {interval.high:.2%}", f"{threshold:.3f}"]


def _pins_table(name: str, trials: dict[str, Trial]) -> Table:
    """What a user who sets a Similarity gets on these photos, none of which went into a pin."""
    table = Table(box=MARKDOWN, title=f"{name}, at Similarity", title_justify="left")
    table.add_column("")
    for fmr in PINNED_FMRS:
        for what in ("FMR", "FNMR"):
            table.add_column(f"{SIMILARITY_OF_FMR[fmr]:g} {what}", justify="right")
    calibration = Calibration.packaged(_default_version())
    for key, measured in trials.items():
        if key.startswith("countenance"):
            cells = []
            for fmr in PINNED_FMRS:
                threshold = calibration.cosine(SIMILARITY_OF_FMR[fmr])
                cells += [f"{measured.fmr(threshold):.2g}", f"{measured.fnmr(threshold):.2%}"]
            table.add_row(ENTRIES[key].title, *cells)
    return table


def _default_version() -> str:
    return Vision(Settings(data=Path(tempfile.gettempdir()))).face_model_version


if __name__ == "__main__":
    sys.exit(main())
