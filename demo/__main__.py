"""Start a real server, enrol two people through boto3, look for one of them and for a stranger; then ask who may.

Ends with status 0 only if the right person was found and the stranger was not, the moratorium held where it should and
nowhere else, and the ledger of all this verifies.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from rich.console import Console
from rich.table import Table

from demo.moratorium import show_accountability
from demo.portraits import fetch

COLLECTION = "officials"

# From here on a match is one, as for photo albums; `countenance` documents what it means in false matches.
THRESHOLD = 80.0

# Seconds the server may take to install its models, start, and end.
START_SECONDS, STOP_SECONDS = 600, 60

ENROLLED = {"barack-obama": "obama.jpg", "joe-biden": "biden.jpg"}


@dataclass(frozen=True)
class Probe:
    """A photo to search with, and who it shows: None is nobody who was enrolled."""

    description: str
    file: str
    expected: str | None


PROBES = (
    Probe("another photo of Barack Obama", "obama2.jpg", "barack-obama"),
    Probe("a stranger: the astronaut Eileen Collins", "astronaut.png", None),
)


def main() -> int:
    """Run the demonstration; the exit status."""
    console = Console()
    portraits = fetch()
    with tempfile.TemporaryDirectory(prefix="countenance-demo-") as folder:
        data, log = Path(folder) / "data", Path(folder) / "server.log"
        try:
            with served(data, log) as operator:
                right = show(console, operator, portraits)
                accountable = show_accountability(console, data, operator, portraits["obama2.jpg"], COLLECTION)
                console.print(f"The API listens on [bold]{operator['endpoint_url']}[/] until this demo ends.")
                console.print("To keep a server running: [bold]make serve[/]\n")
        finally:
            if log.exists():
                print_log(console, log)
    console.print("The right person was found, and the stranger was not." if right else "The wrong answer was given.")
    if accountable:
        console.print("The moratorium held where it should and nowhere else, and the ledger of all this verifies.")
    else:
        console.print("The moratorium or the ledger did not do what they should.")
    return 0 if right and accountable else 1


@contextlib.contextmanager
def served(data: Path, log: Path) -> Iterator[dict[str, str]]:
    """A server on an empty folder and a free port; what its operator.json says."""
    command = Path(sys.executable).with_name("countenance")
    with log.open("wb") as output:
        server = subprocess.Popen(
            [command, "serve", "--data", data, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=output
        )
        try:
            yield wait_until_ready(server, data / "operator.json")
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    if server.returncode != 0:
        raise SystemExit(f"The server ended with status {server.returncode}.")


def wait_until_ready(server: subprocess.Popen[bytes], operator_file: Path) -> dict[str, str]:
    """What operator.json says, once /healthz answers 200."""
    assert server.stdout is not None
    # The server says where it listens once it does; before that, operator.json may not name the port yet.
    announcement = ""
    for line in server.stdout:
        announcement = line.decode()
        if announcement.startswith("Listening"):
            break
    else:
        raise SystemExit("The server did not start.")
    operator: dict[str, str] = json.loads(operator_file.read_text())
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{operator['endpoint_url']}/healthz") as answer:  # noqa: S310
            if answer.status == 200:
                return operator
        if time.monotonic() > deadline:
            raise SystemExit("The server was not ready in time.")
        time.sleep(0.1)


def show(console: Console, operator: dict[str, str], portraits: dict[str, Path]) -> bool:
    """Enrol, search, and print what was found; whether all of it was right."""
    rekognition = boto3.client(
        "rekognition",
        endpoint_url=operator["endpoint_url"],
        region_name=operator["region"],
        aws_access_key_id=operator["aws_access_key_id"],
        aws_secret_access_key=operator["aws_secret_access_key"],
    )
    rekognition.create_collection(CollectionId=COLLECTION)
    for name, file in ENROLLED.items():
        rekognition.index_faces(
            CollectionId=COLLECTION,
            Image={"Bytes": portraits[file].read_bytes()},
            ExternalImageId=name,
            MaxFaces=1,
        )
    table = Table("Probe", "Best match", "Similarity", "Verdict", title="Found through boto3", title_justify="left")
    right = True
    for probe in PROBES:
        answer = rekognition.search_faces_by_image(
            CollectionId=COLLECTION,
            Image={"Bytes": portraits[probe.file].read_bytes()},
            FaceMatchThreshold=0.0,
        )
        best: dict[str, Any] | None = max(answer["FaceMatches"], key=lambda match: match["Similarity"], default=None)
        similarity = best["Similarity"] if best is not None else 0.0
        name = best["Face"]["ExternalImageId"] if best is not None else "nobody"
        found = name if similarity >= THRESHOLD else None
        right &= found == probe.expected
        verdict = f"is {found}" if found else f"nobody enrolled (below {THRESHOLD:.0f})"
        if found != probe.expected:
            verdict = f"[red]{verdict}: wrong[/]"
        table.add_row(probe.description, name, f"{similarity:.2f}", verdict)
    console.print(table)
    return right


def print_log(console: Console, log: Path) -> None:
    """The server's log, one line a use."""
    console.print("What the server did, by its own log:")
    for line in log.read_text().splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
            continue
        when = str(entry.pop("timestamp", ""))[11:23]
        event = entry.pop("event", "")
        for constant in ("level", "access_key_id", "request_id", "organization", "use"):
            entry.pop(constant, None)
        facts = "  ".join(f"{name}={value}" for name, value in entry.items())
        console.print(f"  {when}  {event:<20} {facts}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
