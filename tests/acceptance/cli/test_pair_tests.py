"""`countenance fairness test-pairs` against a served server: what a tester types, and what proves the scores."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from countenance.errors import Misconfigured
from countenance.fairness.data.scores import read_scores
from countenance.fairness.testing import run
from countenance.fairness.testing.door import Door
from countenance.fairness.testing.manifest import PairManifest
from countenance.fairness.testing.run import PairTest
from countenance.ledger.notes import Verifier
from countenance.ledger.receipts import read_receipt
from tests.acceptance.cli.conftest import Shell

if TYPE_CHECKING:
    from types_boto3_rekognition import RekognitionClient

MANIFEST = """\
left,right,mated,who_left,who_right
obama.jpg,obama2.jpg,1,president,president
obama.jpg,biden.jpg,0,president,vice president
older/obama3.jpg,obama2.jpg,1,president,president
obama.jpg,coffee.png,0,president,nobody
biden.jpg,astronaut.png,0,vice president,astronaut
"""

CARD = """\
name = "Five portraits"
source = "https://example.org/portraits"
licence = "public domain"
labels = "observed"

[scores]
file = "scores.csv"
score = "similarity"
higher = "alike"
mated = "mated"
groupings = [["who"]]
[scores.columns]
who = ["who_left", "who_right"]
"""


@dataclass(frozen=True)
class Served:
    """A server, whoever runs it at the command line, and a tester elsewhere with a key and photos of their own."""

    operator: Shell
    client: RekognitionClient
    tester: Shell
    police: Shell

    @property
    def endpoint(self) -> str:
        return self.operator.operator()["endpoint_url"]

    @property
    def manifest(self) -> Path:
        return self.tester.home / "pairs.csv"

    @property
    def photos(self) -> Path:
        return self.tester.home / "photos"

    def entry(self, index: int | str) -> Any:
        """An entry of the ledger, as everybody can get it."""
        with urllib.request.urlopen(f"{self.endpoint}/ledger/receipt/{index}") as answer:
            return json.loads(read_receipt(answer.read()).extra or b"")


@pytest.fixture(scope="module")
def served(shells: Callable[..., Shell], portraits: dict[str, Path]) -> Iterator[Served]:
    operator = shells()
    with operator.serving() as client:
        keys = {}
        for person, organization, kind in (("olu", "Ombudsman", "oversight"), ("sam", "Police", "law_enforcement")):
            operator.json("organization", "create", organization, "--kind", kind)
            who = ("--organization", organization, "--trained-until", "2100-01-01")
            operator.json("principal", "create", person, *who)
            key = operator.json("keys", "create", "--principal", person, "--purpose", "bias_test")
            keys[person] = {name.upper(): key[name] for name in ("aws_access_key_id", "aws_secret_access_key")}
        tester = shells(**keys["olu"])
        (tester.home / "photos" / "older").mkdir(parents=True)
        for name in ("obama.jpg", "obama2.jpg", "biden.jpg", "astronaut.png", "coffee.png"):
            shutil.copy(portraits[name], tester.home / "photos")
        shutil.copy(portraits["obama3.jpg"], tester.home / "photos" / "older")
        (tester.home / "pairs.csv").write_text(MANIFEST)
        yield Served(operator, client, tester, replace(tester, settings=keys["sam"]))


def test_a_tester_gets_a_table_of_scores_and_proof_of_what_made_them(served: Served) -> None:
    tester, vkey = served.tester, served.tester.home / "log.vkey"
    with urllib.request.urlopen(f"{served.endpoint}/ledger/log.vkey") as answer:
        vkey.write_bytes(answer.read())
    command = ("fairness", "test-pairs", served.manifest, served.photos, "--endpoint", served.endpoint)
    said = tester.json(*command, "--output", "scores.csv", "--key", vkey)
    assert (said["Pairs"], said["Compared"], said["Photos"], said["FailuresToEnrol"]) == (5, 4, 6, {"NO_FACE": 1})

    # The scores, with the tester's own columns; a pair that could not be compared is in none of them.
    with (tester.home / "scores.csv").open() as file:
        scores = list(csv.DictReader(file))
    assert [(row["left"], row["right"]) for row in scores] == [
        ("obama.jpg", "obama2.jpg"),
        ("obama.jpg", "biden.jpg"),
        ("older/obama3.jpg", "obama2.jpg"),
        ("biden.jpg", "astronaut.png"),
    ]
    assert (tester.home / "scores.failures.csv").read_text() == (
        "photo,code,message\ncoffee.png,NO_FACE,No face was found.\n"
    )
    assert not (tester.home / "scores.journal").exists()

    # They are what anybody else is answered.
    images = [{"Bytes": (served.photos / name).read_bytes()} for name in ("obama.jpg", "obama2.jpg")]
    compared = served.client.compare_faces(SourceImage=images[0], TargetImage=images[1], SimilarityThreshold=0)
    assert compared["FaceMatches"][0]["Similarity"] == pytest.approx(float(scores[0]["similarity"]), abs=1e-4)

    # The ledger has the hash of each answer, and the pins of what made it: the same as of any other comparison.
    receipt = compared["ResponseMetadata"]["HTTPHeaders"]["x-countenance-receipt"]
    pinned = served.entry(receipt)["model"]
    assert pinned == {
        "face_model_version": said["Model"]["FaceModelVersion"],
        "files": said["Model"]["Files"],
        "calibration": said["Model"]["Calibration"],
    }
    answers = (tester.home / "scores.answers.jsonl").read_text().splitlines()
    proofs = sorted((tester.home / "scores.receipts").iterdir())
    assert len(answers) == len(proofs) == 1
    proven = tester.json("ledger", "verify", proofs[0], "--key", vkey)
    assert proven["entry"]["model"] == pinned
    assert proven["entry"]["answer"] == hashlib.sha256(answers[0].encode()).hexdigest()

    # And a report of fairness can be made of them.
    (tester.home / "card.toml").write_text(CARD)
    table = read_scores(tester.home / "card.toml")
    assert table.mated.tolist() == [True, False, True, False]
    assert table.scores[table.mated].min() > table.scores[~table.mated].max()


def test_a_test_that_was_interrupted_goes_on_where_it_was(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """One request a pair, so that there is something to interrupt."""
    monkeypatch.setattr(run, "MAX_PAIRS", 1)
    for name, value in served.tester.settings.items():
        monkeypatch.setenv(name, value)
    with urllib.request.urlopen(f"{served.endpoint}/ledger/log.vkey") as answer:
        keys = [Verifier.from_vkey(answer.read().decode().strip())]
    output, manifest = served.tester.home / "interrupted.csv", PairManifest(served.manifest, served.photos)
    told: list[int] = []
    stop = threading.Event()

    def watching(done: int) -> None:
        told.append(done)
        if done == 2:
            stop.set()

    with closing(Door(served.endpoint)) as door:
        assert PairTest(manifest, door, output).run(keys, watching, stop) is None
        assert told == [0, 1, 2]
        assert not output.exists()
        outcome = PairTest(manifest, door, output).run(keys, told.append, threading.Event())
        assert told[3:] == [2, 3, 4, 5]
    assert outcome is not None
    assert outcome.compared == 4
    assert len(list(output.with_suffix(".receipts").iterdir())) == 5
    assert len(output.read_text().splitlines()) == 5


def test_the_police_and_whoever_has_no_key_are_told_why_not(served: Served) -> None:
    command = ("fairness", "test-pairs", served.manifest, served.photos, "--endpoint", served.endpoint)
    told = served.police.run(*command, "--output", "denied.csv")
    assert told.returncode == 1
    assert "The server answered AccessDeniedException: TestPairs is denied." in told.stderr
    assert "(base: test.beneficiary)" in told.stderr
    assert not (served.tester.home / "denied.csv").exists()
    nobody = replace(served.tester, settings={"AWS_EC2_METADATA_DISABLED": "true", "HOME": str(served.tester.home)})
    assert "There is no access key: have the operator create one" in nobody.refused(*command, "--output", "none.csv")


def test_a_server_that_is_not_there_is_told(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("countenance.fairness.testing.door.WAIT_SECONDS", 0.0)
    for name, value in served.tester.settings.items():
        monkeypatch.setenv(name, value)
    with closing(Door("http://127.0.0.1:9")) as door, pytest.raises(Misconfigured, match="does not answer"):
        door.test([b"one", b"other"], [(0, 1)])


def test_the_program_in_the_document_for_testers_works(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As anybody would write it, with nothing of ours."""
    text = (Path(__file__).parents[3] / "docs" / "independent-testing.md").read_text("utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for name, value in {**served.tester.settings, "ENDPOINT": served.endpoint}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(served.photos)
    shutil.copy("obama.jpg", "one.jpg")
    shutil.copy("obama2.jpg", "other.jpg")
    exec(compile(program, "independent-testing.md", "exec"), {})
    receipt, digest, similarity = capsys.readouterr().out.split()
    assert float(similarity) > 99
    assert served.entry(receipt)["answer"] == digest
