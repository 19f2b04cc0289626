"""What the server adds to the pipeline: time per call, and requests a second beside photos a second without a server.

    python -m bench.server --photos FOLDER

Starts `countenance serve` on a free port of the loopback interface and a temporary data folder, with a collection of
random templates. Calls are signed JSON over kept-alive connections; the client is this process. What the server works
on, the same code works on here, in turns with it: a call's overhead is its time less that of the pipeline on the same
photo right after it, and a rate is compared with that of as many pipeline threads in the same round.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import itertools
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from bench import machine, photos
from countenance.faces import BoundingBox, Template
from countenance.gallery.collections import Collections
from countenance.gallery.faces import AdoptedFace, Faces, NewFace
from countenance.settings import Settings
from countenance.storage.database import Database
from countenance.vision.analysis import Vision
from countenance.vision.details import Attribute

COLLECTION = "bench"
PROGRAM = ("-c", "from countenance.cli import main; main()")
CLIENTS = (1, 8, 32)
START_TIMEOUT_SECONDS = 120.0
CALL_TIMEOUT_SECONDS = 60.0
# Faces are written in portions of one transaction each.
PORTION = 1000

Job = Callable[[int], None]


class Pipeline:
    """What the server does with a photo, without the server."""

    def __init__(self, settings: Settings, files: Sequence[bytes]) -> None:
        self._settings = settings
        self._files = files
        self._vision = Vision(settings)
        self.face_model_version = self._vision.face_model_version

    def detect(self, number: int) -> None:
        """The work of DetectFaces on one of the photos."""
        photo = photos.opened(self._files[number % len(self._files)], self._settings)
        self._vision.describe(photo, self._vision.detect(photo), frozenset[Attribute]())

    def probe(self, number: int) -> None:
        """The work of SearchFacesByImage on one of the photos, up to the search."""
        photo = photos.opened(self._files[number % len(self._files)], self._settings)
        self._vision.templates(photo, self._vision.detect(photo)[:1], self.face_model_version)


class Client:
    """Signs and sends calls. Each thread has a connection of its own, which stays open."""

    def __init__(self, operator: dict[str, str], files: Sequence[bytes]) -> None:
        self._url = operator["endpoint_url"]
        self._signer = SigV4Auth(
            Credentials(operator["aws_access_key_id"], operator["aws_secret_access_key"]),
            "rekognition",
            operator["region"],
        )
        self._threads = threading.local()
        images = [{"Image": {"Bytes": base64.b64encode(data).decode()}} for data in files]
        self._detect = [json.dumps(image).encode() for image in images]
        self._search = [json.dumps({**image, "CollectionId": COLLECTION}).encode() for image in images]

    def detect(self, number: int) -> None:
        """DetectFaces on one of the photos."""
        self._call("DetectFaces", self._detect[number % len(self._detect)])

    def search(self, number: int) -> None:
        """SearchFacesByImage with one of the photos."""
        self._call("SearchFacesByImage", self._search[number % len(self._search)])

    def index(self, number: int) -> None:
        """IndexFaces with one of the photos."""
        self._call("IndexFaces", self._search[number % len(self._search)])

    def list(self, _: int) -> None:
        """ListCollections: a call with next to nothing to do."""
        self._call("ListCollections", b"{}")

    def _call(self, operation: str, body: bytes) -> None:
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"RekognitionService.{operation}"}
        request = AWSRequest("POST", self._url + "/", headers=headers, data=body)
        self._signer.add_auth(request)
        connection = self._connection()
        connection.request("POST", "/", body, dict(request.headers.items()))
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise SystemExit(f"{operation} answered {response.status}: {answer[:500].decode(errors='replace')}")

    def _connection(self) -> http.client.HTTPConnection:
        try:
            connection: http.client.HTTPConnection = self._threads.connection
        except AttributeError:
            connection = http.client.HTTPConnection(urlsplit(self._url).netloc, timeout=CALL_TIMEOUT_SECONDS)
            self._threads.connection = connection
        return connection


@dataclass(frozen=True)
class Server:
    """A running server: the content of its operator.json, and its process."""

    operator: dict[str, str]
    pid: int


@contextmanager
def served(settings: Settings, program: Sequence[str] = PROGRAM) -> Iterator[Server]:
    """A server on the data folder of `settings`. `program` is what Python runs, by default the product."""
    command = [
        *(sys.executable, *program, "serve", "--json"),
        *("--data", str(settings.data), "--listen", "127.0.0.1:0", "--workers", str(settings.workers)),
        *("--inference-precision", settings.inference_precision.value),
    ]
    with (settings.data / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        try:
            assert server.stdout is not None
            watchdog = threading.Timer(START_TIMEOUT_SECONDS, server.kill)
            watchdog.start()
            announcement = server.stdout.readline()
            watchdog.cancel()
            if not announcement:
                raise SystemExit(f"The server did not start: {(settings.data / 'server.log').read_text()[-2000:]}")
            yield Server(json.loads((settings.data / "operator.json").read_text()), server.pid)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=60)


def fill(settings: Settings, face_model_version: str, dimension: int, count: int) -> None:
    """Make the database, with one collection of `count` random templates."""
    database = Database(settings.effective_database_url)
    database.migrate()
    Collections(database).create(COLLECTION, face_model_version)
    random = np.random.default_rng(2016)
    for start in range(0, count, PORTION):
        vectors = random.standard_normal((min(PORTION, count - start), dimension), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        Faces(database).adopt(
            COLLECTION,
            [
                AdoptedFace(
                    str(uuid.UUID(bytes=random.bytes(16), version=4)),
                    str(uuid.UUID(bytes=random.bytes(16), version=4)),
                    None,
                    NewFace(BoundingBox(0.25, 0.25, 0.5, 0.5), 99.0, Template(vector, face_model_version)),
                )
                for vector in vectors
            ],
        )
    database.close()


@dataclass(frozen=True)
class Latencies:
    """Seconds of paired calls: over the wire, of the pipeline alone, and of a call without a photo."""

    call: list[float]
    own: list[float]
    empty: list[float]


def latencies(client: Client, pipeline: Pipeline, count: int) -> Latencies:
    """One call at a time, each followed by the same work without a server."""
    found = Latencies([], [], [])
    for number in range(count):
        found.call.append(_seconds(client.detect, number))
        found.own.append(_seconds(pipeline.detect, number))
        found.empty.append(_seconds(client.list, number))
    return found


def _seconds(job: Job, number: int) -> float:
    started = time.perf_counter()
    job(number)
    return time.perf_counter() - started


def rate(job: Job, threads: int, seconds: float) -> float:
    """Jobs a second when so many threads do one after the other for about so long."""
    numbers = itertools.count()
    ends = time.perf_counter() + seconds

    def work() -> int:
        done = 0
        while time.perf_counter() < ends:
            job(next(numbers))
            done += 1
        return done

    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(lambda _: work(), range(threads)))
    return done / (time.perf_counter() - started)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.server", description=__doc__.splitlines()[0])
    photos.add_options(parser, limit=40)
    parser.add_argument("--calls", type=int, default=400, help="calls timed one by one (%(default)s)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one throughput turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each kind (%(default)s)")
    parser.add_argument("--faces", type=int, default=10_000, help="faces in the collection searched (%(default)s)")
    options = parser.parse_args(arguments)
    paths = photos.choose(options.photos, options.limit)
    console = Console(width=160, highlight=False, soft_wrap=True)
    console.print(machine.describe())
    console.print(photos.describe(paths))
    files = [path.read_bytes() for path in paths]
    with tempfile.TemporaryDirectory(prefix="countenance-bench-") as folder:
        settings = Settings.model_validate({"data": folder, "workers": machine.cores()})
        pipeline = Pipeline(settings, files)
        dimension = Vision(settings).recognizer(pipeline.face_model_version).dimension
        fill(settings, pipeline.face_model_version, dimension, options.faces)
        with served(settings) as server:
            client = Client(server.operator, files)
            for number in range(len(files)):
                for job in (client.detect, client.search, pipeline.detect, pipeline.probe):
                    job(number)
            found = latencies(client, pipeline, options.calls)
            rates = _rates(client, pipeline, options.rounds, options.seconds)
    console.print(_latency_table(found))
    console.print(_rate_table(rates))
    return 0


def _rates(client: Client, pipeline: Pipeline, rounds: int, seconds: float) -> dict[tuple[str, int], list[float]]:
    """Rates by what was done and by how many clients; 0 clients is the pipeline alone."""
    rates: dict[tuple[str, int], list[float]] = {}
    pairs: list[tuple[str, Job, Job]] = [
        ("DetectFaces", client.detect, pipeline.detect),
        ("SearchFacesByImage", client.search, pipeline.probe),
    ]
    for _ in range(rounds):
        for name, call, own in pairs:
            rates.setdefault((name, 0), []).append(rate(own, machine.cores(), seconds))
            for clients in CLIENTS:
                rates.setdefault((name, clients), []).append(rate(call, clients, seconds))
    return rates


def _latency_table(found: Latencies) -> Table:
    table = Table(box=MARKDOWN, title="One call at a time, ms", title_justify="left")
    table.add_column("")
    for column in ("p50", "p99"):
        table.add_column(column, justify="right")
    rows = {
        "DetectFaces over the wire": found.call,
        "the same work without a server": found.own,
        "DetectFaces less the same work": [call - own for call, own in zip(found.call, found.own, strict=True)],
        "ListCollections over the wire": found.empty,
    }
    for name, seconds in rows.items():
        p50, p99 = np.percentile(seconds, (50, 99)) * 1000
        table.add_row(name, f"{p50:.2f}", f"{p99:.2f}")
    return table


def _rate_table(rates: dict[tuple[str, int], list[float]]) -> Table:
    cores = machine.cores()
    table = Table(box=MARKDOWN, title=f"Requests a second, {cores} cores", title_justify="left")
    table.add_column("")
    for column in (f"pipeline alone, {cores} threads", *(f"{n} client{'s' * (n > 1)}" for n in CLIENTS)):
        table.add_column(column, justify="right")
    for name in dict.fromkeys(name for name, _ in rates):
        alone = rates[name, 0]
        cells = [f"{statistics.median(alone):.1f}"]
        for clients in CLIENTS:
            own = rates[name, clients]
            ratio = statistics.median(ours / theirs for ours, theirs in zip(own, alone, strict=True))
            cells.append(f"{statistics.median(own):.1f} ({ratio:.2f})")
        table.add_row(name, *cells)
    return table


if __name__ == "__main__":
    sys.exit(main())
