"""Photos a second from file bytes to templates, and where the time goes, beside face_recognition and other peers.

    python -m bench.pipeline --photos FOLDER

Every contender runs in processes of its own, all with the same photos in memory. The contenders take turns, round
after round, so that whatever else the machine does meets them alike; a figure is the median over the rounds, and a
ratio is the median of the ratios within each round. Throughput keeps all cores busy: Countenance with one process of as
many threads, as its server works; the others with one single-threaded process per core. Steps are timed on one thread
with nothing else running.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from bench import machine, photos
from bench.contenders import ENTRIES, Contender
from countenance.errors import CountenanceError

BASELINE = "face_recognition"
STEPS = ("decode", "detect", "align", "embed", "default attributes", "all attributes")
# What is neither decoding to a template nor done by every contender.
ATTRIBUTES = frozenset({"default attributes", "all attributes"})
START_TIMEOUT_SECONDS = 300.0


class Unavailable(Exception):
    """A contender cannot run here; the message says what it lacks."""


@dataclass(frozen=True)
class Pass:
    """All photos once: wall-clock seconds, processor seconds over all processes and threads, templates made."""

    wall: float
    processor: float
    templates: int


class Contestant:
    """A contender in processes of its own, which wait without using the processor while others have their turn."""

    def __init__(self, key: str, paths: Sequence[Path], weights: Path, cores: int) -> None:
        entry = ENTRIES[key]
        self.key, self.title = key, entry.title
        self._count = len(paths)
        context = multiprocessing.get_context("spawn")
        self._next = context.Value("i", 0)
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        for _ in range(1 if entry.threads else cores):
            ours, theirs = context.Pipe()
            threads = cores if entry.threads else 1
            process = context.Process(
                target=_work, args=(theirs, key, paths, weights, threads, self._next), daemon=True
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        problems = [self._receive(pipe) for pipe in self._pipes]
        if problems[0] is not None:
            self.close()
            raise Unavailable(problems[0])

    def throughput(self) -> Pass:
        """All photos on all cores."""
        with self._next.get_lock():
            self._next.value = 0
        started = time.perf_counter()
        answers = self._ask(self._pipes, "encode")
        wall = time.perf_counter() - started
        return Pass(wall, sum(answer[0] for answer in answers), sum(answer[1] for answer in answers))

    def steps(self) -> dict[str, float]:
        """Seconds of each step, median over the photos, one photo at a time."""
        (seconds,) = self._ask(self._pipes[:1], "timed")
        return dict(seconds)

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.close()  # a worker ends when it can receive nothing more
        for process in self._processes:
            process.join(timeout=10)
            if process.is_alive():
                process.terminate()

    def _ask(self, pipes: Sequence[Connection], question: str) -> list[Any]:
        for pipe in pipes:
            pipe.send(question)
        return [self._receive(pipe) for pipe in pipes]

    def _receive(self, pipe: Connection) -> Any:
        if not pipe.poll(START_TIMEOUT_SECONDS):
            raise Unavailable(f"no answer within {START_TIMEOUT_SECONDS:.0f} s")
        try:
            return pipe.recv()
        except EOFError:
            raise Unavailable("its process ended; what it printed above says why") from None


def _work(pipe: Connection, key: str, paths: Sequence[Path], weights: Path, threads: int, following: Any) -> None:
    """One worker process: builds the contender, warms it up, then does what it is asked."""
    try:
        contender = ENTRIES[key].make(weights, threads)
    except ImportError as error:
        pipe.send(f"{error}; bench/requirements.txt lists what it needs")
        return
    except CountenanceError as error:
        pipe.send(error.message)
        return
    files = [path.read_bytes() for path in paths]
    # Kernels are compiled per input size and pages are touched first: none of that is counted.
    for data in files:
        contender.encode(data)
    pipe.send(None)

    def encode_some() -> int:
        templates = 0
        while (position := _take(following)) < len(files):
            templates += len(contender.encode(files[position]))
        return templates

    with ThreadPoolExecutor(threads) as pool:
        while True:
            try:
                question = pipe.recv()
            except EOFError:
                return
            if question == "encode":
                before = time.process_time()
                templates = sum(pool.map(lambda _: encode_some(), range(threads)))
                pipe.send((time.process_time() - before, templates))
            else:
                pipe.send(_steps(contender, files))


def _take(following: Any) -> int:
    with following.get_lock():
        position = int(following.value)
        following.value += 1
    return position


def _steps(contender: Contender, files: Sequence[bytes]) -> dict[str, float]:
    laps = [contender.timed(data) for data in files]
    return {step: statistics.median(lap[step] for lap in laps) for step in laps[0]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline", description=__doc__.splitlines()[0])
    photos.add_options(parser, limit=40)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender (%(default)s)")
    parser.add_argument(
        "--only", nargs="+", choices=list(ENTRIES), default=list(ENTRIES), help="contenders; all when absent"
    )
    options = parser.parse_args(arguments)
    # OpenCV 5 warns at every start that its new engine takes no targets.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    paths = photos.choose(options.photos, options.limit)
    console = Console(width=160, highlight=False, soft_wrap=True)
    console.print(machine.describe())
    console.print(photos.describe(paths))
    with tempfile.TemporaryDirectory(prefix="countenance-bench-") as folder:
        contestants = _start(options.only, paths, Path(folder), console)
        try:
            passes, steps = _rounds(contestants, options.rounds)
        except Unavailable as reason:
            raise SystemExit(f"Nothing was measured: {reason}.") from reason
        finally:
            for contestant in contestants:
                contestant.close()
    if not contestants:
        return 1
    console.print(_throughput_table(contestants, passes, len(paths)))
    console.print(_steps_table(contestants, steps))
    return 0


def _start(keys: Sequence[str], paths: Sequence[Path], weights: Path, console: Console) -> list[Contestant]:
    contestants = []
    for key in keys:
        try:
            contestants.append(Contestant(key, paths, weights, machine.cores()))
        except Unavailable as reason:
            console.print(f"{ENTRIES[key].title} is left out: {reason}")
    return contestants


def _rounds(
    contestants: Sequence[Contestant], rounds: int
) -> tuple[dict[str, list[Pass]], dict[str, list[dict[str, float]]]]:
    passes: dict[str, list[Pass]] = {contestant.key: [] for contestant in contestants}
    steps: dict[str, list[dict[str, float]]] = {contestant.key: [] for contestant in contestants}
    for _ in range(rounds):
        for contestant in contestants:
            passes[contestant.key].append(contestant.throughput())
    for _ in range(rounds):
        for contestant in contestants:
            steps[contestant.key].append(contestant.steps())
    return passes, steps


def _throughput_table(contestants: Sequence[Contestant], passes: dict[str, list[Pass]], count: int) -> Table:
    table = Table(box=MARKDOWN, title=f"From file bytes to templates, {machine.cores()} cores", title_justify="left")
    table.add_column("")
    columns = ("photos/s", "lowest", "highest", "ratio", "processor ms/photo", "ratio", "templates")
    for column in columns:
        table.add_column(column, justify="right")
    baseline = passes.get(BASELINE)
    for contestant in contestants:
        own = passes[contestant.key]
        rates = [count / one.wall for one in own]
        table.add_row(
            contestant.title,
            f"{statistics.median(rates):.1f}",
            f"{min(rates):.1f}",
            f"{max(rates):.1f}",
            _ratio(baseline, own, lambda one: one.wall),
            f"{statistics.median(one.processor for one in own) / count * 1000:.1f}",
            _ratio(baseline, own, lambda one: one.processor),
            str(own[0].templates),
        )
    return table


def _ratio(baseline: Sequence[Pass] | None, own: Sequence[Pass], of: Callable[[Pass], float]) -> str:
    """How many times less `own` takes than the baseline did in the same round."""
    if baseline is None:
        return "-"
    return f"{statistics.median(of(theirs) / of(ours) for theirs, ours in zip(baseline, own, strict=True)):.2f}"


def _steps_table(contestants: Sequence[Contestant], steps: dict[str, list[dict[str, float]]]) -> Table:
    table = Table(box=MARKDOWN, title="Milliseconds a photo by step, 1 thread", title_justify="left")
    table.add_column("")
    for step in ("to templates", *STEPS):
        table.add_column(step, justify="right")
    for contestant in contestants:
        own = steps[contestant.key]
        medians = {step: statistics.median(one[step] for one in own) * 1000 for step in own[0]}
        total = sum(value for step, value in medians.items() if step not in ATTRIBUTES)
        cells = (f"{medians[step]:.2f}" if step in medians else "-" for step in STEPS)
        table.add_row(contestant.title, f"{total:.2f}", *cells)
    return table


if __name__ == "__main__":
    sys.exit(main())
