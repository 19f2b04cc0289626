"""What clients see of decisions, reviews and receipts, over the wire, from real servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from countenance.ledger.receipts import read_receipt
from countenance.service.pins import Pins
from countenance.service.qualified import SECONDS
from countenance.settings import Settings
from tests.acceptance.conftest import COMMAND
from tests.audits import BLACK_WOMEN, audit

if TYPE_CHECKING:
    from types_boto3_rekognition import RekognitionClient

TRAINED = "2100-01-01"
START_SECONDS = 120


class Installation:
    """A data folder, its command line, and servers on it that can be killed."""

    def __init__(self, home: Path, models: Path) -> None:
        self.data = home / "data"
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._environment = kept | {"COUNTENANCE_MODEL_STORE": str(models), "COUNTENANCE_DATA": str(self.data)}
        self._log = home / "log"
        self.server: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """A server on any free port, ready."""
        with self._log.open("a") as log:
            self.server = subprocess.Popen(
                [*COMMAND, "serve", "--json", "--listen", "127.0.0.1:0"],
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.server.stdout is not None
        assert self.server.stdout.readline(), self._log.read_text()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server in this way."""
        assert self.server is not None
        self.server.send_signal(how)
        self.server.wait(60)
        assert self.server.stdout is not None
        self.server.stdout.close()

    def log(self) -> str:
        """All that servers said so far."""
        return self._log.read_text()

    def run(self, *arguments: str, status: int = 0) -> Any:
        """What a command answers with --json."""
        done = subprocess.run(
            [*COMMAND, *arguments, "--json"], env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout)

    def entry(self, index: int) -> Any:
        """What the receipt of an entry, as everybody can get it, has in it."""
        with urllib.request.urlopen(f"{self.operator['endpoint_url']}/ledger/receipt/{index}") as answer:
            receipt = read_receipt(answer.read())
        assert receipt.index == index
        assert receipt.extra is not None
        return json.loads(receipt.extra)

    @property
    def operator(self) -> dict[str, str]:
        """What operator.json says."""
        content: dict[str, str] = json.loads((self.data / "operator.json").read_text())
        return content

    def client(self, key: dict[str, str] | None = None, **config: Any) -> RekognitionClient:
        """boto3 with a key, the operator's when None."""
        operator = self.operator
        credentials = key or operator
        return boto3.client(
            "rekognition",
            endpoint_url=operator["endpoint_url"],
            region_name=operator["region"],
            aws_access_key_id=credentials["aws_access_key_id"],
            aws_secret_access_key=credentials["aws_secret_access_key"],
            config=Config(retries={"total_max_attempts": 1}, **config),
        )

    def qualify(self, similarity: float, times: Mapping[str, float] | None = None, *, status: int = 0) -> None:
        """Have the face model held against what an investigation requires, by a report of groups that err so often."""
        fmrs, today = {50.0: 1e-3, similarity: 1e-6}, f"{datetime.now(UTC):%Y-%m-%d}"
        record = audit(Pins(Settings(data=self.data)).in_use()[0], fmrs=fmrs, times=times, made_on=today)
        report = self.data.with_name("report.json")
        report.write_text(record.text())
        purpose = ("--purpose", "criminal_investigation")
        self.run("fairness", "qualify", str(report), *purpose, "--similarity", f"{similarity:g}", status=status)

    def key(self, principal: str, purpose: str, *more: str) -> RekognitionClient:
        """A client with a new key of somebody."""
        return self.client(self.run("keys", "create", "--principal", principal, "--purpose", purpose, *more))


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, models: Path, portraits: dict[str, Path]
) -> Iterator[Installation]:
    """People of the police and of child protection, a collection of portraits and one kept for missing persons."""
    installation = Installation(tmp_path_factory.mktemp("accountability"), models)
    installation.start()
    for organization, kind, people in (
        ("Kings County Police", "law_enforcement", ("sam", "pat", "kim")),
        ("Found Children", "child_protection", ("ann",)),
        ("Ombudsman", "oversight", ("olu",)),
        ("City Hall", "public_authority", ("ida",)),
    ):
        installation.run("organization", "create", organization, "--kind", kind)
        for name in people:
            installation.run("principal", "create", name, "--organization", organization, "--trained-until", TRAINED)
    operator = installation.client()
    operator.create_collection(CollectionId="portraits")
    operator.create_collection(CollectionId="missing", Tags={"countenance:sensitivity": "missing_persons"})
    for collection in ("portraits", "missing"):
        operator.index_faces(
            CollectionId=collection,
            Image={"Bytes": portraits["obama.jpg"].read_bytes()},
            ExternalImageId="barack-obama",
        )
    yield installation
    installation.stop()


@pytest.fixture
def photo(portraits: dict[str, Path]) -> dict[str, bytes]:
    return {"Bytes": portraits["obama2.jpg"].read_bytes()}


def headers(answer: Any) -> dict[str, str]:
    found: dict[str, str] = answer["ResponseMetadata"]["HTTPHeaders"]
    return found


def denied(call: Callable[..., Any], **request: Any) -> ClientError:
    with pytest.raises(ClientError) as refusal:
        call(**request)
    assert refusal.value.response["Error"]["Code"] == "AccessDeniedException"
    return refusal.value


def test_the_same_search_is_denied_allowed_and_denied_again(
    installation: Installation, photo: dict[str, bytes]
) -> None:
    request = {"CollectionId": "portraits", "Image": photo}
    police = denied(installation.key("sam", "criminal_investigation").search_faces_by_image, **request)
    message = police.response["Error"]["Message"]
    assert "moratorium-2020" in message
    assert "What would change it" in message
    rescue = installation.key("ann", "missing_child").search_faces_by_image(**request)
    assert [match["Face"]["ExternalImageId"] for match in rescue["FaceMatches"]] == ["barack-obama"]
    proxy = installation.key("ann", "missing_child", "--beneficiary", "Kings County Police")
    assert "moratorium-2020" in denied(proxy.search_faces_by_image, **request).response["Error"]["Message"]
    for answer, kind in ((police.response, "decision"), (rescue, "outcome")):
        assert installation.entry(int(headers(answer)["x-countenance-receipt"]))["kind"] == kind


def test_matches_are_withheld_until_two_others_have_confirmed_them(
    installation: Installation, photo: dict[str, bytes]
) -> None:
    sam = installation.key("sam", "missing_child")
    answer = sam.search_faces_by_image(CollectionId="missing", Image=photo)
    assert answer["FaceMatches"] == []
    case = headers(answer)["x-countenance-review"]
    shown = installation.run("review", "show", case, "--principal", "pat")
    (candidate,) = shown["candidates"]
    assert candidate["ExternalImageId"] == "barack-obama"
    for name, state in (("pat", "open"), ("kim", "confirmed")):
        judged = installation.run("review", "judge", case, "--principal", name, "--confirm", "0")
        assert judged["state"] == state
    disclosed = installation.run("review", "disclose", case, "--principal", "sam")
    assert [one["FaceId"] for one in disclosed["candidates"]] == [candidate["FaceId"]]


def test_a_withheld_comparison_says_nothing_of_the_others_either(
    installation: Installation, photo: dict[str, bytes], portraits: dict[str, Path]
) -> None:
    """With the moratorium ended and a qualified face model the police may compare; only reviewers see what it finds."""
    change = installation.run("moratorium", "end", "moratorium-2020")["id"]
    installation.run("policy", "approve", change, "--principal", "olu")
    try:
        asked = installation.run(
            "authorization", "request", "--principal", "sam", "--purpose", "criminal_investigation",
            "--case", "2026-117", "--basis", "warrant",
        )  # fmt: skip
        installation.run("authorization", "approve", asked["id"], "--principal", "pat")
        sam = installation.key("sam", "criminal_investigation", "--authorization", asked["id"])
        target = {"Bytes": portraits["obama.jpg"].read_bytes()}
        # A running server knows within a moment what was judged beside it.
        installation.qualify(80.0, {BLACK_WOMEN: 1200.0}, status=1)
        refusal = denied(sam.compare_faces, SourceImage=photo, TargetImage=target).response["Error"]["Message"]
        assert f"{BLACK_WOMEN}: FMR 1.2e-3, at most 1.5e-3 by its interval, 15 times the 1e-4 allowed" in refusal
        installation.qualify(80.0)
        time.sleep(2 * SECONDS)
        answer = sam.compare_faces(SourceImage=photo, TargetImage=target)
        assert (answer["FaceMatches"], answer["UnmatchedFaces"]) == ([], [])
        assert headers(answer)["x-countenance-review"].startswith("r-")
    finally:
        change = installation.run("policy", "propose", "moratorium-2020")["id"]
        installation.run("policy", "approve", change, "--principal", "olu")
    denied(sam.search_faces_by_image, CollectionId="portraits", Image=photo)


def test_a_threshold_is_raised_and_the_answer_says_so(installation: Installation, photo: dict[str, bytes]) -> None:
    """A pack that ships is put in force by two people, and taken out again by two."""
    ida = installation.key("ida", "identity_verification")
    request = {"CollectionId": "portraits", "Image": photo, "FaceMatchThreshold": 80}
    assert "x-countenance-threshold" not in headers(ida.search_faces_by_image(**request))
    change = installation.run("policy", "propose", "public-safety")["id"]
    installation.run("policy", "approve", change, "--principal", "olu")
    try:
        answer = ida.search_faces_by_image(**request)
        assert float(headers(answer)["x-countenance-threshold"]) == 99
        assert installation.entry(int(headers(answer)["x-countenance-receipt"]))["threshold"] == 99
        assert headers(answer)["x-countenance-review"].startswith("r-")
    finally:
        change = installation.run("policy", "propose", "--without", "public-safety")["id"]
        installation.run("policy", "approve", change, "--principal", "olu")
    assert len(ida.search_faces_by_image(**request)["FaceMatches"]) == 1


def test_an_ombudsman_learns_which_searches_touched_a_person(
    installation: Installation, photo: dict[str, bytes], portraits: dict[str, Path]
) -> None:
    answer = installation.key("ann", "missing_child").search_faces_by_image(CollectionId="portraits", Image=photo)
    receipt = int(headers(answer)["x-countenance-receipt"])
    nobody = installation.key("ann", "missing_child").search_faces_by_image(
        CollectionId="portraits", Image={"Bytes": portraits["astronaut.png"].read_bytes()}, FaceMatchThreshold=99
    )
    found = installation.run("subject", str(portraits["obama3.jpg"]), "--principal", "olu")
    by_receipt = {touch["receipt"]: touch for touch in found["searches"]}
    assert by_receipt[receipt]["similarity"] == pytest.approx(answer["FaceMatches"][0]["Similarity"], abs=1e-3)
    assert by_receipt[receipt]["purpose"] == "missing_child"
    # They were compared in a search for somebody else, and not among its candidates.
    assert "similarity" not in by_receipt[int(headers(nobody)["x-countenance-receipt"])]
    stranger = installation.run("subject", str(portraits["astronaut.png"]), "--principal", "olu")
    assert stranger == {"faces": {}, "searches": []}
    # It was itself a use.
    assert installation.entry(max(by_receipt) + 1)["action"] == "SubjectAccess"


def test_killed_under_load_every_answer_that_left_is_in_the_ledger(
    installation: Installation, photo: dict[str, bytes]
) -> None:
    """kill -9 while eight clients search; the next server says what was left without an end."""
    received: list[int] = []
    enough = threading.Event()

    def search() -> None:
        client = installation.client(connect_timeout=2, read_timeout=10)
        try:
            while True:
                answer = client.search_faces_by_image(CollectionId="portraits", Image=photo)
                received.append(int(headers(answer)["x-countenance-receipt"]))
                if len(received) >= 24:
                    enough.set()
        except (BotoCoreError, ClientError):
            return

    clients = [threading.Thread(target=search) for _ in range(8)]
    for client in clients:
        client.start()
    assert enough.wait(120)
    installation.stop(signal.SIGKILL)
    for client in clients:
        client.join()
    installation.start()
    report = installation.run("ledger", "verify", f"{installation.operator['endpoint_url']}/ledger")
    assert report["verified"]
    for receipt in received:
        entry = installation.entry(receipt)
        assert entry["kind"] == "outcome"
        assert len(entry["candidates"]) == 1
    assert installation.log().count("dangling_intent") == len(report["dangling"])
    assert installation.client().list_collections()["CollectionIds"] == ["portraits", "missing"]
