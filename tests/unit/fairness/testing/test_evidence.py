"""Scores count as those of a model only where the ledger says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from countenance.errors import Misconfigured
from countenance.fairness.testing.evidence import check
from countenance.fairness.testing.journal import Answered
from countenance.ledger.checkpoints import InvalidCheckpoint
from countenance.ledger.entries import Model, ModelChange, Outcome
from countenance.ledger.keys import KeyFile
from countenance.ledger.log import Ledger
from countenance.ledger.notes import InvalidNote, Verifier
from countenance.ledger.receipts import Receipt, read_receipt
from countenance.storage.database import Database
from countenance.storage.ledger_schema import LEDGER

MODEL = Model(face_model_version="1.0", files=("d" * 64,), calibration="e" * 64)
TEXT = {
    "Model": {"FaceModelVersion": "1.0", "Files": ["d" * 64], "Calibration": "e" * 64},
    "Photos": [{"SHA256": digit * 64, "Faces": 1} for digit in "ab"],
    "Pairs": [{"Left": 0, "Right": 1, "Cosine": 0.25, "Similarity": 70.5}],
    "Nonce": "f" * 32,
}
ANSWERED = Answered(photos=("x.jpg", "y.jpg"), receipt=0, text=json.dumps(TEXT))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    database = Database(f"sqlite:///{tmp_path / 'ledger.sqlite'}", LEDGER)
    database.migrate()
    ledger = Ledger(database, tmp_path / "ledger", KeyFile(tmp_path / "ledger.key", name="faces.example.org/ledger"))
    yield ledger
    ledger.close()
    database.close()


def entered(ledger: Ledger, **facts: Any) -> Receipt:
    """The receipt of an outcome that is as the answer has it, but for these facts."""
    facts = {"model": MODEL, "answer": ANSWERED.sha256, **facts}
    (index,) = ledger.append([Outcome(use=f"u-{'0' * 32}", **facts)])
    return read_receipt(ledger.receipt(index))


def test_an_entry_that_says_the_same_proves_the_scores(ledger: Ledger) -> None:
    check(entered(ledger), ANSWERED, [Verifier.from_vkey(ledger.vkey)])


@pytest.mark.parametrize(
    "facts",
    [
        {"model": MODEL.model_copy(update={"files": ("c" * 64,)})},
        {"model": MODEL.model_copy(update={"calibration": "c" * 64})},
        {"model": None},
        {"answer": "0" * 64},
        {"answer": None},
    ],
    ids=range(5),
)
def test_an_entry_that_says_something_else_proves_nothing(ledger: Ledger, facts: dict[str, Any]) -> None:
    """Another file behind the scores, another calibration, or other scores than were handed over."""
    with pytest.raises(Misconfigured, match="Entry 0 of the ledger does not say what the server answered"):
        check(entered(ledger, **facts), ANSWERED, [Verifier.from_vkey(ledger.vkey)])


def test_an_entry_of_another_kind_proves_nothing(ledger: Ledger) -> None:
    (index,) = ledger.append([ModelChange(models=(MODEL,), software="1.0.0")])
    with pytest.raises(Misconfigured, match="does not say what the server answered"):
        check(read_receipt(ledger.receipt(index)), ANSWERED, [Verifier.from_vkey(ledger.vkey)])


def test_an_entry_of_another_log_proves_nothing(ledger: Ledger, tmp_path: Path) -> None:
    other = KeyFile(tmp_path / "other.key", name="faces.example.org/ledger")
    other.open(creates=True)
    with pytest.raises((InvalidNote, InvalidCheckpoint)):
        check(entered(ledger), ANSWERED, other.verifiers)
