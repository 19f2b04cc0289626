"""Exact search: how fast, beside numpy, FAISS and what this machine's memory allows, and whether it is exact.

    python -m bench.search [--templates 100000 1000000 10000000] [--dimensions 128 512]

Every method searches the same synthetic templates (bench/templates.py) for the same probes: the best 20 above a
threshold. The bound is the time it takes to read every template once as half floats from memory, with all cores, at
the rate measured in the same run; a scan over shorter codes can be faster than that. Core ms is processor time per
search, over all cores: it says what a search costs where others want the machine too. Throughput is counted with one
client and with 32 at once; numpy's and FAISS' flat search get the 32 probes as one batch, which suits them best.

Exact means: for every probe the same templates in the same order as a comparison of all in float32, made afresh from
the generator. Probes are a third each of enrolled people, strangers, and strangers for whom a match barely above the
threshold was planted in the shadow of stronger ones.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table
from sqlalchemy import insert

from bench import machine
from bench.templates import THRESHOLD, Gallery, Probes
from countenance.faces import Template
from countenance.gallery.collections import Collections
from countenance.gallery.index import TemplateIndex
from countenance.gallery.search import Search
from countenance.storage import schema
from countenance.storage.database import Database

LIMIT = 20
CLIENTS = 32
SECONDS_PER_MEASUREMENT = 4.0
MAX_FLAT_BYTES = 9 << 30  # float32 copies larger than this are left out
GIB = 1 << 30
WARM_UP = 3
SINGLE_CHANGES = 2000
FACES_PER_TRANSACTION = 20_000
VERSION = "bench"

Answer = tuple[NDArray[np.int64], NDArray[np.float32]]


@dataclass(frozen=True)
class Figures:
    """What was measured of one method. Latencies and processor time per search in milliseconds, memory in bytes."""

    method: str
    p50: float
    p99: float
    processor: float
    one_client: float
    many_clients: float
    memory: int
    exact: str


def main() -> None:
    """Prints a table for every size and dimension, then one of what it costs to change and rebuild an index."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--dimensions", type=int, nargs="+", default=[128, 512], choices=sorted(THRESHOLD))
    parser.add_argument("--probes", type=int, default=300)
    parser.add_argument("--rebuild-up-to", type=int, default=1_000_000, help="templates; 0 for no rebuild at all")
    options = parser.parse_args()
    console = Console(width=150)
    bandwidth = read_bandwidth()
    console.print(machine.describe())
    console.print(f"memory read with all cores: {bandwidth / 1e9:.1f} GB/s")
    costs = Table("templates", "put, batches", "put, singly", "drop, singly", "bytes each", "rebuild", box=MARKDOWN)
    for dimension in options.dimensions:
        for size in options.templates:
            gallery = Gallery(dimension, size)
            figures, cost = compare(gallery, options.probes, rebuild=size <= options.rebuild_up_to)
            console.print(table(gallery, figures, bandwidth))
            costs.add_row(f"{size:,} x {dimension}", *cost)
    console.print(costs)


def compare(gallery: Gallery, probes: int, *, rebuild: bool) -> tuple[list[Figures], list[str]]:
    """All methods on one gallery, one after the other, so that no two of them need the memory at once."""
    asked = Probes.of(gallery, probes)
    half, truth = half_floats(gallery, asked)
    figures = [measure_faiss("FAISS SQ fp16", gallery, asked, half, half.codes.size(), truth)]
    if gallery.size * gallery.dimension * 4 <= MAX_FLAT_BYTES:
        rows = rows_of(half).astype(np.float32)
        figures.insert(0, measure_numpy(gallery, asked, rows, truth))
        flat = faiss.IndexFlatIP(gallery.dimension)
        flat.add(rows)
        del rows
        figures.insert(1, measure_faiss("FAISS IndexFlatIP", gallery, asked, flat, 4 * flat.ntotal * flat.d, truth))
        del flat
    del half
    index, cost = build(gallery, asked)
    figures.insert(0, measure("Countenance", exact_search(index, gallery), asked, index.nbytes, truth))
    cost += [*change_singly(index, gallery), f"{index.nbytes / len(index):.0f}"]
    del index
    cost.append(rebuild_from_database(gallery, asked) if rebuild else "-")
    return figures, cost


def table(gallery: Gallery, figures: Sequence[Figures], bandwidth: float) -> Table:
    """The figures side by side; ratios say how many times Countenance's latency and throughput."""
    ours = figures[0]
    bound = gallery.size * gallery.dimension * 2 / bandwidth * 1e3
    title = f"{gallery.size:,} templates of {gallery.dimension} dimensions"
    columns = ("method", "p50 ms", "p99 ms", "core ms", "times ours", "q/s, 1 client", f"q/s, {CLIENTS}", "ours / its")
    shown = Table(*columns, "GB", "exact", title=title, box=MARKDOWN)
    for one in figures:
        latencies = [f"{value:.2f}" for value in (one.p50, one.p99, one.processor)]
        rates = [f"{one.one_client:.0f}", f"{one.many_clients:.0f}", f"{ours.many_clients / one.many_clients:.1f}"]
        shown.add_row(one.method, *latencies, f"{one.p50 / ours.p50:.1f}", *rates, f"{one.memory / GIB:.2f}", one.exact)
    shown.add_row("reading all half floats", f"{bound:.2f}", "", "", f"{bound / ours.p50:.1f}", f"{1e3 / bound:.0f}")
    return shown


def half_floats(gallery: Gallery, asked: Probes) -> tuple[Any, list[NDArray[np.int64]]]:
    """FAISS' index of half floats of the gallery, the planted templates at its end, and the right answers.

    The key of a template is its place. The answers, best first, come from comparing every template in float32.
    """
    index = faiss.IndexScalarQuantizer(gallery.dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    total = gallery.size + len(asked.planted)
    index.codes.resize(total * gallery.dimension * 2)
    index.ntotal = total
    rows = rows_of(index)
    keys = [np.zeros(0, np.int64)] * len(asked.vectors)
    scores = [np.zeros(0, np.float32)] * len(asked.vectors)
    start = 0
    for block in chain(gallery.blocks(), [asked.planted]):
        rows[start : start + len(block)] = block
        for number, found in enumerate(asked.vectors @ block.astype(np.float32).T):
            reaching = np.flatnonzero(found >= THRESHOLD[gallery.dimension])
            keys[number] = np.concatenate([keys[number], reaching + start])
            scores[number] = np.concatenate([scores[number], found[reaching]])
        start += len(block)
    return index, [key[np.lexsort((key, -score))][:LIMIT] for key, score in zip(keys, scores, strict=True)]


def rows_of(index: Any) -> NDArray[np.float16]:
    """The templates in an index of half floats, in place."""
    memory: NDArray[np.uint8] = faiss.rev_swig_ptr(index.codes.data(), index.codes.size())
    return memory.view(np.float16).reshape(index.ntotal, index.d)


def exact_search(index: TemplateIndex, gallery: Gallery) -> Callable[[NDArray[np.float32]], Answer]:
    """A search as the server makes it."""
    return lambda probe: index.search(probe, THRESHOLD[gallery.dimension], LIMIT)


def measure_numpy(
    gallery: Gallery, asked: Probes, rows: NDArray[np.float32], truth: list[NDArray[np.int64]]
) -> Figures:
    """Matrix times vector, then what reaches the threshold."""

    def search(probe: NDArray[np.float32]) -> Answer:
        scores = rows @ probe
        return _reaching(scores, THRESHOLD[gallery.dimension])

    def batch(probes: NDArray[np.float32]) -> None:
        for scores in probes @ rows.T:
            _reaching(scores, THRESHOLD[gallery.dimension])

    return measure("numpy float32", search, asked, rows.nbytes, truth, batch)


def measure_faiss(
    method: str, gallery: Gallery, asked: Probes, index: Any, memory: int, truth: list[NDArray[np.int64]]
) -> Figures:
    """An index of FAISS: one probe on one core, which is all it uses for one, and a batch on all."""

    def search(probe: NDArray[np.float32]) -> Answer:
        (scores,), (keys,) = index.search(probe[None], LIMIT)
        reaching = scores >= THRESHOLD[gallery.dimension]
        return keys[reaching], scores[reaching]

    def batch(probes: NDArray[np.float32]) -> None:
        faiss.omp_set_num_threads(machine.cores())
        index.search(probes, LIMIT)

    faiss.omp_set_num_threads(1)
    return measure(method, search, asked, memory, truth, batch)


def measure(
    method: str,
    search: Callable[[NDArray[np.float32]], Answer],
    asked: Probes,
    memory: int,
    truth: list[NDArray[np.int64]],
    batch: Callable[[NDArray[np.float32]], Any] | None = None,
) -> Figures:
    """Latency and throughput of one method, and how many of its answers are the right ones."""
    answers, took = [], []
    for probe in asked.vectors[:WARM_UP]:
        search(probe)
    started, processor = time.perf_counter(), time.process_time()
    for probe in asked.vectors:
        begun = time.perf_counter()
        answers.append(search(probe)[0])
        took.append(time.perf_counter() - begun)
        if time.perf_counter() - started > SECONDS_PER_MEASUREMENT * 5:
            break
    processor = time.process_time() - processor
    right = sum(_same(answer, true) for answer, true in zip(answers, truth, strict=False))
    return Figures(
        method,
        statistics.median(took) * 1e3,
        float(np.quantile(took, 0.99)) * 1e3,
        processor / len(took) * 1e3,
        1 / statistics.mean(took),
        _batches(batch, asked) if batch else _clients(search, asked),
        memory,
        f"{right}/{len(answers)}",
    )


def build(gallery: Gallery, asked: Probes) -> tuple[TemplateIndex, list[str]]:
    """The index, and the rate at which templates were put into it."""
    index = TemplateIndex(gallery.dimension)
    took, start = 0.0, 0
    for block in chain(gallery.blocks(), [asked.planted]):
        begun = time.perf_counter()
        index.put(np.arange(start, start + len(block)), block)
        took += time.perf_counter() - begun
        start += len(block)
    return index, [f"{start / took:,.0f}/s"]


def change_singly(index: TemplateIndex, gallery: Gallery) -> list[str]:
    """Rates of putting and dropping templates one by one."""
    first = gallery.size * 2
    rows = gallery.block(1 << 20)[:SINGLE_CHANGES]
    begun = time.perf_counter()
    for number, row in enumerate(rows):
        index.put(np.array([first + number]), row[None])
    put = time.perf_counter() - begun
    begun = time.perf_counter()
    for key in np.random.default_rng(1).integers(0, gallery.size, SINGLE_CHANGES):
        index.drop(np.array([key]))
    drop = time.perf_counter() - begun
    return [f"{SINGLE_CHANGES / put:,.0f}/s", f"{SINGLE_CHANGES / drop:,.0f}/s"]


def rebuild_from_database(gallery: Gallery, asked: Probes) -> str:
    """Seconds from a start with a full SQLite database to the first answer."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'bench.sqlite'}")
        database.migrate()
        collection = Collections(database).create("bench", VERSION)
        number = 0
        for block in gallery.blocks():
            for start in range(0, len(block), FACES_PER_TRANSACTION):
                some = block[start : start + FACES_PER_TRANSACTION]
                with database.write() as connection:
                    connection.execute(
                        insert(schema.faces), [_row(collection.key, number + i, one) for i, one in enumerate(some)]
                    )
                number += len(some)
        search = Search(database)
        try:
            begun = time.perf_counter()
            search.faces(collection, Template(asked.vectors[0], VERSION), THRESHOLD[gallery.dimension], LIMIT)
            return f"{time.perf_counter() - begun:.1f} s"
        finally:
            search.close()
            database.close()


def read_bandwidth() -> float:
    """Bytes a second that all cores together read from memory: the best of some passes over arrays in no cache."""
    parts = [np.ones(GIB // 8, np.float32) for _ in range(machine.cores())]
    best = 0.0
    with ThreadPoolExecutor(len(parts)) as pool:
        for read in (np.max, lambda part: np.dot(part, part)):
            for _ in range(8):
                begun = time.perf_counter()
                list(pool.map(read, parts))
                best = max(best, sum(part.nbytes for part in parts) / (time.perf_counter() - begun))
    return best


def _row(collection_key: int, number: int, template: NDArray[np.float16]) -> dict[str, Any]:
    return {
        "collection_key": collection_key,
        "face_id": f"{number:036d}",
        "image_id": f"{number:036d}",
        "box_left": 0.1,
        "box_top": 0.1,
        "box_width": 0.2,
        "box_height": 0.2,
        "confidence": 99.9,
        "face_model_version": VERSION,
        "template": template.tobytes(),
    }


def _reaching(scores: NDArray[np.float32], threshold: float) -> Answer:
    keys = np.flatnonzero(scores >= threshold)
    keys = keys[np.argsort(-scores[keys], kind="stable")][:LIMIT]
    return keys, scores[keys]


def _same(answer: NDArray[np.int64], truth: NDArray[np.int64]) -> bool:
    return bool(np.array_equal(answer, truth))


def _clients(search: Callable[[NDArray[np.float32]], Answer], asked: Probes) -> float:
    deadline = time.perf_counter() + SECONDS_PER_MEASUREMENT

    def client(number: int) -> int:
        searched = 0
        while time.perf_counter() < deadline:
            search(asked.vectors[(number + searched) % len(asked.vectors)])
            searched += 1
        return searched

    begun = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        searched = sum(pool.map(client, range(CLIENTS)))
    return searched / (time.perf_counter() - begun)


def _batches(batch: Callable[[NDArray[np.float32]], Any], asked: Probes) -> float:
    probes = np.ascontiguousarray(asked.vectors[:CLIENTS])
    searched, begun = 0, time.perf_counter()
    while time.perf_counter() < begun + SECONDS_PER_MEASUREMENT:
        batch(probes)
        searched += len(probes)
    return searched / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
