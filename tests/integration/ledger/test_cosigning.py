"""Witnesses that cosign what is published."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from countenance.errors import CountenanceError
from countenance.ledger import checkpoints, merkle, notes, receipts
from countenance.ledger.cosigning import AnotherSize
from countenance.ledger.log import Ledger
from countenance.ledger.notes import CosignerKey, LogKey, Verifier

from .conftest import NAME, Installation, erasure


class Neighbour:
    """A witness in the same process, which keeps what it has seen as every witness must."""

    def __init__(self, name: str = "neighbour.example") -> None:
        self.key = CosignerKey.generate(name)
        self.seen = merkle.CompactRange()
        self.checkpoint: checkpoints.Checkpoint | None = None
        self.asked: list[int] = []
        self.refuses: Exception | None = None
        self.lies = False
        self.go = threading.Event()
        self.go.set()

    @property
    def verifier(self) -> Verifier:
        return self.key.verifier

    def cosign(self, note: str, old_size: int, consistency: Sequence[bytes]) -> str:
        self.asked.append(old_size)
        assert self.go.wait(30)
        if self.refuses:
            raise self.refuses
        text = notes.parse(note).text
        new = checkpoints.read_text(text)
        old = self.checkpoint or checkpoints.Checkpoint(new.origin, 0, merkle.EMPTY_ROOT)
        if old_size != old.size:
            raise AnotherSize(old.size)
        merkle.verify_consistency(old.size, new.size, old.root, new.root, consistency)
        self.checkpoint = new
        return self.key.cosign(f"{text}another\n" if self.lies else text, int(time.time())).line()


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("countenance.ledger.upkeep.PUBLISHING_SECONDS", 0.02)
    monkeypatch.setattr("countenance.ledger.cosigning.INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr("countenance.ledger.cosigning.REFRESH_SECONDS", 0.05)


def _published(installation: Installation, ledger: Ledger, *witnesses: Neighbour) -> checkpoints.SignedCheckpoint:
    note = (installation.folder / "checkpoint").read_bytes()
    return checkpoints.verified(note, [Verifier.from_vkey(ledger.vkey)], [one.verifier for one in witnesses])


def _await_cosigned(
    installation: Installation, ledger: Ledger, size: int, *witnesses: Neighbour
) -> checkpoints.SignedCheckpoint:
    """The published checkpoint, when it has this size and the cosignatures of all of these."""
    deadline = time.monotonic() + 30
    while True:
        if (installation.folder / "checkpoint").exists():
            signed = _published(installation, ledger, *witnesses)
            if signed.checkpoint.size == size and len(signed.cosignatures) == len(witnesses):
                return signed
        assert time.monotonic() < deadline, (
            f"no checkpoint of {size} entries with {len(witnesses)} cosignatures was published"
        )
        time.sleep(0.01)


def test_what_is_published_is_cosigned_by_all_as_it_grows(installation: Installation) -> None:
    witnesses = [Neighbour("one.example"), Neighbour("other.example")]
    ledger = installation.open(witnesses=witnesses)
    for size in (1, 300, 301):
        ledger.append([erasure()] * (size - ledger.size()))
        signed = _await_cosigned(installation, ledger, size, *witnesses)
        assert {signature.name for signature in signed.cosignatures} == {"one.example", "other.example"}
    assert {name for name, _ in ledger.witnessed()} == {"one.example", "other.example"}
    assert all(-2 <= age < 30 for _, age in ledger.witnessed())
    # Each was shown that the log had only grown since what it had seen before.
    assert {0, 1, 300} <= set(witnesses[0].asked)


def test_a_checkpoint_that_readers_find_has_been_cosigned_although_the_log_grows_all_the_time(
    installation: Installation,
) -> None:
    witness = Neighbour()
    ledger = installation.open(witnesses=[witness])
    ledger.append([erasure()])
    _await_cosigned(installation, ledger, 1, witness)
    deadline = time.monotonic() + 30
    sizes: set[int] = set()
    while len(sizes) < 5 and time.monotonic() < deadline:
        ledger.append([erasure()])
        signed = _published(installation, ledger, witness)
        assert len(signed.cosignatures) == 1
        sizes.add(signed.checkpoint.size)
    assert len(sizes) == 5


def test_receipts_carry_the_cosignatures_that_there_are(installation: Installation) -> None:
    witness = Neighbour()
    ledger = installation.open(witnesses=[witness])
    ledger.append([erasure()] * 2)
    _await_cosigned(installation, ledger, 2, witness)
    witness.refuses = CountenanceError("closed for today")
    ledger.append([erasure()])
    trusted = [Verifier.from_vkey(ledger.vkey)]
    old = receipts.verify(receipts.read_receipt(ledger.receipt(1)), trusted, [witness.verifier])
    assert (old.checkpoint.size, len(old.cosignatures)) == (2, 1)
    new = receipts.verify(receipts.read_receipt(ledger.receipt(2)), trusted, [witness.verifier])
    assert (new.checkpoint.size, len(new.cosignatures)) == (3, 0)


def test_a_witness_that_refuses_is_asked_again_and_keeps_nothing_from_being_published(
    installation: Installation,
) -> None:
    witness, other = Neighbour("refusing.example"), Neighbour("other.example")
    witness.refuses = CountenanceError("closed for today")
    ledger = installation.open(witnesses=[witness, other])
    ledger.append([erasure()])
    _await_cosigned(installation, ledger, 1, other)
    assert [name for name, _ in ledger.witnessed()] == ["other.example"]
    witness.refuses = None
    _await_cosigned(installation, ledger, 1, witness, other)


def test_a_witness_that_does_not_answer_holds_up_nothing_for_long(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("countenance.ledger.cosigning.PATIENCE_SECONDS", 0.1)
    slow, other = Neighbour("slow.example"), Neighbour("other.example")
    slow.go.clear()
    ledger = installation.open(witnesses=[slow, other])
    ledger.append([erasure()])
    _await_cosigned(installation, ledger, 1, other)
    assert slow.asked == [0]
    # What comes late counts all the same.
    slow.go.set()
    deadline = time.monotonic() + 30
    while len(ledger.witnessed()) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert {name for name, _ in ledger.witnessed()} == {"slow.example", "other.example"}


def test_a_signature_on_something_else_is_no_cosignature(installation: Installation) -> None:
    witness = Neighbour()
    witness.lies = True
    ledger = installation.open(witnesses=[witness])
    ledger.append([erasure()])
    _await_cosigned(installation, ledger, 1)
    deadline = time.monotonic() + 30
    while len(witness.asked) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ledger.witnessed() == []
    assert _published(installation, ledger, witness).cosignatures == ()


def test_a_witness_that_has_seen_more_than_was_remembered_is_shown_the_growth_since_then(
    installation: Installation,
) -> None:
    witness = Neighbour()
    ledger = installation.open(witnesses=[witness])
    ledger.append([erasure()] * 5)
    _await_cosigned(installation, ledger, 5, witness)
    twin = Neighbour("neighbour-under-another-name.example")
    twin.checkpoint = witness.checkpoint
    installation.close()
    again = installation.open(witnesses=[twin])
    again.append([erasure()])
    _await_cosigned(installation, again, 6, twin)
    assert twin.asked[:2] == [0, 5]


def test_a_witness_that_has_seen_more_entries_than_there_are_does_not_cosign(installation: Installation) -> None:
    witness = Neighbour()
    witness.checkpoint = checkpoints.Checkpoint(NAME, 10, bytes(32))
    ledger = installation.open(witnesses=[witness])
    ledger.append([erasure()])
    _await_cosigned(installation, ledger, 1)
    assert ledger.witnessed() == []


def test_what_was_cosigned_is_remembered_by_other_processes_and_after_a_restart(installation: Installation) -> None:
    witness = Neighbour()
    ledger = installation.open(witnesses=[witness])
    ledger.append([erasure()] * 3)
    _await_cosigned(installation, ledger, 3, witness)
    installation.close()
    witness.asked.clear()
    again = installation.open(witnesses=[witness])
    assert [name for name, _ in again.witnessed()] == ["neighbour.example"]
    again.append([erasure()])
    _await_cosigned(installation, again, 4, witness)
    assert witness.asked[0] == 3
    # One that is not asked any more is not counted any more.
    assert installation.open().witnessed() == []


def test_witnesses_go_on_when_the_key_changes(installation: Installation) -> None:
    witness = Neighbour()
    ledger = installation.open(witnesses=[witness])
    ledger.append([erasure()])
    _await_cosigned(installation, ledger, 1, witness)
    ledger.rotate(LogKey.generate(NAME))
    _await_cosigned(installation, ledger, 2, witness)
