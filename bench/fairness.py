"""All comparisons of a data set by pair of groups: how fast, in how much memory, beside what it cannot be faster than.

    python -m bench.fairness [--faces 10000 30000 100000] [--rounds 3] [--peers-faces 2000]

Synthetic faces, two images of each subject, 512 dimensions; groups of two columns and of their intersection: 14 groups,
and 137 pairs of groups in all, of which each gets its histogram and its highest 2 %. What is compared in turns:

- *bare products*: every template times every other, block by block, each pair once, and the scores thrown away. In
  float64, whose products are exact for templates as `comparisons.exact` makes them, and in float32, where they are not.
- *Countenance*: `comparisons.compare_all`, on templates that are there already.
- *naive*: all scores at once in float32, then numpy: a mask, `histogram` and `partition` for every pair of groups; only
  where it fits in the memory that is free.

Ratios are to the bare products of the same round, medians over the rounds. Processor time is over all cores; other work
on the machine moves it less. Each measurement has a process of its own, whose peak memory is printed, templates
included.

fairlearn and pyeer begin with scores, not with templates, and hold them all; fairlearn answers for one threshold, pyeer
for all, of one group at a time. They get the scores as they want them, and their time begins there.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from bench import machine
from countenance.fairness.comparisons import all_pairs as comparisons
from countenance.fairness.comparisons.all_pairs import BINS, TAIL_SHARE, Grouping, compare_all

DIMENSION = 512
BLOCK = 2048

# Where methods have to agree: the lower edge of this bin.
THRESHOLD = 0.125
FROM = int((THRESHOLD + 1) * BINS / 2)
GIB = 1 << 30

# The naive way's matrix, a copy of it, masks of the same shape and the scores of everyone twice.
NAIVE_BYTES_PER_PAIR = 16

# False matches of every pair of groups at THRESHOLD.
Answer = list[int]


@dataclass(frozen=True)
class Faces:
    """`templates` float64 (n, 512) from `exact`; two consecutive ones are one person's."""

    templates: NDArray[np.float64]
    identities: NDArray[np.int64]
    groupings: list[Grouping]

    @classmethod
    def made(cls, number: int) -> Faces:
        """The same ones every time."""
        generator = np.random.default_rng(number)
        vectors = generator.standard_normal((number, DIMENSION), dtype=np.float32)
        vectors[1::2] += vectors[0::2][: number // 2]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        sex = np.repeat(generator.integers(0, 2, number // 2 + 1, dtype=np.int32), 2)[:number]
        origin = np.repeat(generator.integers(0, 7, number // 2 + 1, dtype=np.int32), 2)[:number]
        return cls(
            comparisons.exact(vectors),
            np.arange(number) // 2,
            [
                Grouping("", ("everyone",), np.zeros(number, np.int32)),
                Grouping("sex", tuple(f"sex={name}" for name in range(2)), sex),
                Grouping("origin", tuple(f"origin={name}" for name in range(7)), origin),
                Grouping("sex, origin", tuple(f"sex and origin={name}" for name in range(14)), 7 * sex + origin),
            ],
        )


@dataclass(frozen=True)
class Figures:
    """Seconds, seconds of processor, bytes of memory at the peak, and the answer, None where there is none."""

    seconds: float
    processor: float
    peak: int
    answer: Answer | None


def main() -> None:
    """Prints a table for all sizes, and one of the peers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, nargs="+", default=[10_000, 30_000, 100_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers-faces", type=int, default=2000, help="0 for no peers")
    options = parser.parse_args()
    console = Console(width=170)
    console.print(machine.describe())
    for faces in options.faces:
        console.print(sizes_table(faces, compare(console, faces, options.rounds)))
    if options.peers_faces:
        console.print(peers_table(options.peers_faces, peers(console, options.peers_faces)))


def compare(console: Console, faces: int, rounds: int) -> dict[str, list[Figures]]:
    """All methods in turns; a method that does not fit is left out."""
    methods = [*METHODS]
    if faces**2 * NAIVE_BYTES_PER_PAIR > free_memory():
        methods.remove("naive")
        console.print(f"{faces:,} faces: the naive way needs {faces**2 * NAIVE_BYTES_PER_PAIR / GIB:.0f} GiB.")
    found: dict[str, list[Figures]] = {name: [] for name in methods}
    for _ in range(rounds):
        for name in methods:
            found[name].append(alone(name, faces))
    agree([figures[0] for figures in found.values()])
    return found


def peers(console: Console, faces: int) -> dict[str, Figures]:
    """Those that are installed, on the scores of so many faces."""
    found = {"Countenance": alone("Countenance", faces)}
    for name, package in (("fairlearn MetricFrame", "fairlearn"), ("pyeer get_eer_stats", "pyeer")):
        if importlib.util.find_spec(package) is None:
            console.print(f"{package} is not installed: left out.")
        else:
            found[name] = alone(name, faces)
    agree(list(found.values()))
    return found


def agree(found: list[Figures]) -> None:
    """Raises `ValueError` where two methods count differently: then there is nothing to compare."""
    answers = [figures.answer for figures in found if figures.answer is not None]
    # float32 puts a comparison or two on the other side of the threshold.
    if any(np.abs(np.subtract(answers[0], answer)).max() > 2 for answer in answers):
        raise ValueError("The methods disagree.")


def alone(name: str, faces: int) -> Figures:
    """One measurement in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(measured, name, faces).result()


def measured(name: str, number: int) -> Figures:
    """What a method takes; what it is given is made before."""
    work = {**METHODS, **PEERS}[name](Faces.made(number))
    began, processor = time.perf_counter(), time.process_time()
    answer = work()
    seconds, processor = time.perf_counter() - began, time.process_time() - processor
    return Figures(seconds, processor, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, answer)


def bare(faces: Faces, kind: type[np.floating]) -> Callable[[], None]:
    """The products alone, with as many threads as numpy takes."""
    templates = faces.templates.astype(kind)
    scores = np.empty((BLOCK, BLOCK), kind)

    def work() -> None:
        for row in range(0, len(templates), BLOCK):
            rows = templates[row : row + BLOCK]
            for column in range(row, len(templates), BLOCK):
                columns = templates[column : column + BLOCK]
                np.matmul(rows, columns.T, out=scores[: len(rows), : len(columns)])

    return work


def countenance(faces: Faces) -> Callable[[], Answer]:
    """This project."""

    def work() -> Answer:
        pairs = compare_all(faces.templates, faces.identities, faces.groupings, workers=machine.cores())
        return [int(pair.histogram[FROM:].sum()) for pair in pairs]

    return work


def naive(faces: Faces) -> Callable[[], Answer]:
    """The scores held, and numpy."""
    templates = faces.templates.astype(np.float32)

    def work() -> Answer:
        scores = templates @ templates.T
        answer = []
        for grouping in faces.groupings:
            members = [np.flatnonzero(grouping.of_image == group) for group in range(len(grouping.groups))]
            for one, other in combinations_with_replacement(range(len(members)), 2):
                chosen = scores[np.ix_(members[one], members[other])]
                asked = faces.identities[members[one], None] != faces.identities[None, members[other]]
                chosen = chosen[np.triu(asked) if one == other else asked]
                counts, _ = np.histogram(chosen, BINS, (-1, 1))
                tail = max(1, int(TAIL_SHARE * len(chosen)))
                np.partition(chosen, -tail)[-tail:].sort()
                answer.append(int(counts[FROM:].sum()))
        return answer

    return work


def scores_of(
    faces: Faces,
) -> tuple[NDArray[np.float64], NDArray[np.bool_], list[tuple[Grouping, NDArray[np.int64]]]]:
    """What the peers begin with: all scores, which are mated, and per grouping the number of the pair of groups."""
    left, right = np.triu_indices(len(faces.templates), 1)
    scores = (faces.templates @ faces.templates.T)[left, right]
    pairs = []
    for grouping in faces.groupings:
        of = grouping.of_image[left], grouping.of_image[right]
        low, high = np.minimum(*of).astype(np.int64), np.maximum(*of)
        pairs.append((grouping, low * (2 * len(grouping.groups) - low - 1) // 2 + high))
    return scores, faces.identities[left] == faces.identities[right], pairs


def fairlearn(faces: Faces) -> Callable[[], Answer]:
    """False match and non-match rates of all pairs of groups at one threshold."""
    from fairlearn.metrics import MetricFrame, false_negative_rate, false_positive_rate  # noqa: PLC0415

    scores, mated, pairs = scores_of(faces)

    def work() -> Answer:
        answer: Answer = []
        for _, numbers in pairs:
            frame = MetricFrame(
                metrics={"FMR": false_positive_rate, "FNMR": false_negative_rate},
                y_true=mated,
                y_pred=scores >= THRESHOLD,
                sensitive_features=numbers,
            )
            non_mated = np.bincount(numbers[~mated])
            answer += [round(rate * non_mated[number]) for number, rate in frame.by_group["FMR"].items()]
        return answer

    return work


def pyeer(faces: Faces) -> Callable[[], Answer]:
    """Error rates at all thresholds, one pair of groups after the other."""
    from pyeer.eer_info import get_eer_stats  # noqa: PLC0415

    scores, mated, pairs = scores_of(faces)

    def work() -> Answer:
        answer = []
        for _, numbers in pairs:
            for number in range(int(numbers.max()) + 1):
                chosen = numbers == number
                impostors = scores[chosen & ~mated]
                # Between two groups nobody is mated, and without mated scores it answers nothing.
                genuine = scores[chosen & mated] if (chosen & mated).any() else scores[mated]
                found = get_eer_stats(genuine, impostors)
                at = int(np.searchsorted(found.fmr_th if hasattr(found, "fmr_th") else found.thrs, THRESHOLD))
                answer.append(round(found.fmr[at] * len(impostors)))
        return answer

    return work


METHODS: dict[str, Callable[[Faces], Callable[[], Answer | None]]] = {
    "bare products, float64": lambda faces: bare(faces, np.float64),
    "Countenance": countenance,
    "bare products, float32": lambda faces: bare(faces, np.float32),
    "naive": naive,
}

PEERS: dict[str, Callable[[Faces], Callable[[], Answer | None]]] = {
    "fairlearn MetricFrame": fairlearn,
    "pyeer get_eer_stats": pyeer,
}


def sizes_table(faces: int, found: dict[str, list[Figures]]) -> Table:
    """Medians, and medians of the ratios within the rounds."""
    title = f"{faces:,} faces, {faces * (faces - 1) // 2:,} comparisons"
    columns = ("seconds", "to float64", "to float32", "processor s", "to float64", "to float32", "peak GiB")
    shown = Table("method", title=title, box=MARKDOWN)
    for column in columns:
        shown.add_column(column, justify="right")
    bares = found["bare products, float64"], found["bare products, float32"]
    for name, figures in found.items():
        seconds = [median([one.seconds / other.seconds for one, other in zip(figures, b, strict=True)]) for b in bares]
        busy = [median([one.processor / other.processor for one, other in zip(figures, b, strict=True)]) for b in bares]
        shown.add_row(
            name,
            f"{median([one.seconds for one in figures]):.2f}",
            *(f"{ratio:.2f}" for ratio in seconds),
            f"{median([one.processor for one in figures]):.2f}",
            *(f"{ratio:.2f}" for ratio in busy),
            f"{max(one.peak for one in figures) / GIB:.2f}",
        )
    return shown


def peers_table(faces: int, found: dict[str, Figures]) -> Table:
    """Seconds, and how many times Countenance's processor time they take."""
    title = f"{faces:,} faces, {faces * (faces - 1) // 2:,} comparisons, of every pair of groups"
    shown = Table("method", "gives", "begins with", title=title, box=MARKDOWN)
    for column in ("seconds", "processor s", "ratio", "peak GiB"):
        shown.add_column(column, justify="right")
    gives = {
        "Countenance": ("histogram and tail", "templates"),
        "fairlearn MetricFrame": ("two rates at one threshold", "scores"),
        "pyeer get_eer_stats": ("rates at every threshold", "scores"),
    }
    ours = found["Countenance"].processor
    for name, figures in found.items():
        numbers = figures.seconds, figures.processor, figures.processor / ours, figures.peak / GIB
        shown.add_row(name, *gives[name], *(f"{number:.2f}" for number in numbers))
    return shown


def median(values: list[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def free_memory() -> int:
    """Bytes that programs may take without others having to give way."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    main()
