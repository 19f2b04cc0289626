"""What the gate and the ledger cost: two servers side by side, one of them without either.

    python -m bench.accountability --photos FOLDER

Starts the server twice, on data folders of their own with equal collections of random templates in which the photos'
own faces are enrolled, so that every search finds somebody. The second one is `bench.unaccounted`: the same server, in
which nothing is decided or recorded. They are called in turns, with the same photos, in one run. Then the same is done
in this process without HTTP and photos, where its parts can be told apart.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from bench import machine, photos, server, unaccounted
from countenance.cli import logs
from countenance.ledger.drafts import Draft
from countenance.ledger.entries import Entry
from countenance.service.actions import Action
from countenance.service.administration import Administration
from countenance.service.records import Candidate, Record, decision_entry, intent_entry
from countenance.service.uses import Uses
from countenance.settings import Settings
from countenance.storage.salts import face_subject
from countenance.vision.analysis import Vision

CLIENTS = (1, 8)
WITH, WITHOUT = "with", "without"
PROGRAMS = {WITH: server.PROGRAM, WITHOUT: ("-m", "bench.unaccounted")}

# More than the caches of a processor hold.
CACHES_BYTES = 64 << 20

# What SearchFacesByImage asks for where the request names nothing.
THRESHOLD, LIMIT = 80.0, 4096


@dataclass(frozen=True)
class Turn:
    """One server called for a while: seconds of each call, calls a second, the server's processor seconds a call."""

    calls: list[float]
    rate: float
    processor: float


@dataclass
class Turns:
    """All turns of one operation, by server and number of clients, in the order of the rounds."""

    of: dict[tuple[str, int], list[Turn]] = field(default_factory=dict)

    def add(self, variant: str, clients: int, turn: Turn) -> None:
        """One more."""
        self.of.setdefault((variant, clients), []).append(turn)

    def percentile(self, variant: str, clients: int, percent: float) -> float:
        """Of the calls of all rounds, ms."""
        calls = [seconds for turn in self.of[variant, clients] for seconds in turn.calls]
        return float(np.percentile(calls, percent)) * 1000

    def added(self, clients: int, of: Callable[[Turn], float]) -> float:
        """What the real server has more than the other, median of the rounds."""
        pairs = zip(self.of[WITH, clients], self.of[WITHOUT, clients], strict=True)
        return statistics.median(of(real) - of(bare) for real, bare in pairs)

    def ratio(self, clients: int, of: Callable[[Turn], float]) -> float:
        """What the real server has as a part of what the other has, median of the rounds."""
        pairs = zip(self.of[WITH, clients], self.of[WITHOUT, clients], strict=True)
        return statistics.median(of(real) / of(bare) for real, bare in pairs)

    def median(self, variant: str, clients: int, of: Callable[[Turn], float]) -> float:
        """Of the rounds."""
        return statistics.median(of(turn) for turn in self.of[variant, clients])


def turn(job: server.Job, pid: int, clients: int, seconds: float) -> Turn:
    """So many clients do one call after the other for about so long."""
    numbers = itertools.count()
    ends = time.perf_counter() + seconds
    found: list[float] = []

    def work() -> None:
        while (began := time.perf_counter()) < ends:
            job(next(numbers))
            found.append(time.perf_counter() - began)

    before, started = _processor_seconds(pid), time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(work) for _ in range(clients)]:
            done.result()
    elapsed = time.perf_counter() - started
    return Turn(found, len(found) / elapsed, (_processor_seconds(pid) - before) / len(found))


@contextmanager
def both(folder: Path, files: Sequence[bytes], faces: int) -> Iterator[dict[str, tuple[server.Client, int]]]:
    """The two servers, with a client and the process id of each."""
    with ExitStack() as stack:
        found: dict[str, tuple[server.Client, int]] = {}
        for variant, program in PROGRAMS.items():
            settings = Settings.model_validate({"data": folder / variant, "workers": machine.cores()})
            settings.data.mkdir()
            vision = Vision(settings)
            server.fill(
                settings, vision.face_model_version, vision.recognizer(vision.face_model_version).dimension, faces
            )
            running = stack.enter_context(server.served(settings, program))
            client = server.Client(running.operator, files)
            for number in range(len(files)):
                client.index(number)
                client.search(number)
            found[variant] = client, running.pid
        yield found


def measure(
    servers: dict[str, tuple[server.Client, int]],
    rounds: int,
    seconds: float,
    job: Callable[[server.Client], server.Job],
) -> Turns:
    """Turns of both servers, each beginning every other round."""
    turns = Turns()
    for number in range(rounds):
        variants = list(servers)[:: -1 if number % 2 else 1]
        for clients in CLIENTS:
            for variant in variants:
                client, pid = servers[variant]
                turns.add(variant, clients, turn(job(client), pid, clients, seconds))
    return turns


class Parts:
    """The same uses in this process: no photo and no index, so that only what they cost by themselves is left."""

    def __init__(self, folder: Path) -> None:
        settings = Settings.model_validate({"data": folder})
        server.fill(settings, "1.0", 128, 1)
        self._administration = Administration(settings)
        self._caller = self._administration.locals.caller()
        self._real = self._administration.uses
        self._bare = copy.copy(self._real)
        self._bare.__class__ = unaccounted.UnaccountedUses
        self._found = [Candidate(97.53124, "face", face_subject(1), {"FaceId": "face"})]

    def close(self) -> None:
        """Closes the ledger and the databases."""
        self._administration.close()

    def jobs(self) -> dict[str, Callable[[], object]]:
        """What is timed, by name."""
        return {
            "search, with": lambda: self._search(self._real),
            "search, without": lambda: self._search(self._bare),
            "ListCollections, with": lambda: self._list(self._real),
            "ListCollections, without": lambda: self._list(self._bare),
            **self._steps(),
        }

    def _search(self, uses: Uses) -> None:
        """All that a search passes besides photo and index, with one candidate."""
        action = Action.SEARCH_FACES_BY_IMAGE
        with uses.use(self._caller, action, server.COLLECTION, threshold=THRESHOLD, limit=LIMIT) as use:
            use.disclose(self._found)

    def _list(self, uses: Uses) -> None:
        """All that ListCollections passes besides the list."""
        with uses.use(self._caller, Action.LIST_COLLECTIONS):
            pass

    def _steps(self) -> dict[str, Callable[[], object]]:
        """The parts of a search, one by one."""
        uses, ledger = self._real, self._administration.ledger
        found = uses._collections.find(server.COLLECTION)
        now = ledger.now()
        action = Action.SEARCH_FACES_BY_IMAGE
        facts = uses._facts(self._record(), action, found, None, now)
        verdict = uses._gate.decide(facts)

        def beginning() -> list[Entry]:
            record = self._record()
            return [intent_entry(record, None, None, software="0"), decision_entry(record.use, verdict)]

        def ending() -> list[Entry]:
            record = self._record()
            record.candidates(self._found)
            return record.closing()

        begun = beginning()
        return {
            "part: facts, and the policies that are in force": lambda: (
                uses._facts(self._record(), action, found, None, now),
                uses._gate._sets.in_force(),
            ),
            "part: the decision, with the policies that are in force": lambda: uses._gate.decide(facts),
            "part: intent and decision as entries": lambda: [Draft(entry) for entry in beginning()],
            "part: commitments, and the outcome as an entry": lambda: [Draft(entry) for entry in ending()],
            "part: a commit of two entries": lambda: ledger.append(begun),
        }

    def _record(self) -> Record:
        action, salts = Action.SEARCH_FACES_BY_IMAGE, self._administration.salts
        return Record(self._caller, action, server.COLLECTION, THRESHOLD, LIMIT, None, salts, {})


def timed(job: Callable[[], object], count: int, *, cold: bool) -> tuple[float, float]:
    """Medians of so many: seconds, and seconds of this thread on a processor.

    `cold`: before each, as much memory is written as empties the processor's caches, as a photo's work does.
    """
    memory = np.ones(CACHES_BYTES // 8)
    found, processor = [], []
    for _ in range(count):
        if cold:
            memory += 1
        began, began_processor = time.perf_counter(), time.thread_time()
        job()
        processor.append(time.thread_time() - began_processor)
        found.append(time.perf_counter() - began)
    return statistics.median(found), statistics.median(processor)


def parts_table(parts: Parts, count: int) -> Table:
    """What a use costs by part, in this process, one at a time."""
    table = Table(box=MARKDOWN, title="In process, one at a time, µs (processor µs)", title_justify="left")
    for column in ("", "one after the other", "with empty caches"):
        table.add_column(column, justify="right" if column else "left")
    for name, job in parts.jobs().items():
        cells = [timed(job, count, cold=cold) for cold in (False, True)]
        table.add_row(name, *(f"{median * 1e6:.0f} ({processor * 1e6:.0f})" for median, processor in cells))
    return table


def turns_table(turns: dict[str, Turns]) -> Table:
    """Both servers beside each other."""
    table = Table(box=MARKDOWN, title="With gate and ledger, and without", title_justify="left")
    columns = (
        *("p50 with, ms", "without", "added at the median", "p99 with", "without"),
        *("calls/s with", "without", "ratio", "processor ms with", "without"),
    )
    for column in ("", *columns):
        table.add_column(column, justify="right" if column else "left")
    for name, of in turns.items():
        for clients in CLIENTS:
            cells = [
                *(f"{of.percentile(variant, clients, 50):.2f}" for variant in (WITH, WITHOUT)),
                f"{of.added(clients, lambda turn: statistics.median(turn.calls)) * 1000:.2f}",
                *(f"{of.percentile(variant, clients, 99):.1f}" for variant in (WITH, WITHOUT)),
                *(f"{of.median(variant, clients, lambda turn: turn.rate):.1f}" for variant in (WITH, WITHOUT)),
                f"{of.ratio(clients, lambda turn: turn.rate):.3f}",
                *(
                    f"{of.median(variant, clients, lambda turn: turn.processor) * 1000:.2f}"
                    for variant in (WITH, WITHOUT)
                ),
            ]
            table.add_row(f"{name}, {clients} client{'s' * (clients > 1)}", *cells)
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.accountability", description=__doc__.splitlines()[0])
    photos.add_options(parser, limit=40)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each kind (%(default)s)")
    parser.add_argument("--faces", type=int, default=10_000, help="faces in the collection searched (%(default)s)")
    parser.add_argument("--uses", type=int, default=400, help="uses timed in process (%(default)s)")
    options = parser.parse_args(arguments)
    console = Console(width=200, highlight=False, soft_wrap=True)
    console.print(machine.describe())
    with tempfile.TemporaryDirectory(prefix="countenance-bench-") as name:
        folder = Path(name)
        if options.rounds:
            paths = photos.choose(options.photos, options.limit)
            console.print(photos.describe(paths))
            with both(folder, [path.read_bytes() for path in paths], options.faces) as servers:
                turns = {
                    "SearchFacesByImage": measure(
                        servers, options.rounds, options.seconds, lambda client: client.search
                    ),
                    "ListCollections": measure(
                        servers, options.rounds, options.seconds / 3, lambda client: client.list
                    ),
                }
            console.print(turns_table(turns))
            console.print(f"load average {os.getloadavg()[0]:.1f} at the end")
        logs.configure(everything=False)  # a line to the terminal takes longer than what it is about
        (folder / "parts").mkdir()
        parts = Parts(folder / "parts")
        console.print(parts_table(parts, options.uses))
        parts.close()
    return 0


def _processor_seconds(pid: int) -> float:
    """What all threads of a process have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
