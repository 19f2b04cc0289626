"""The log's key hands over to another, and trust follows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection

from countenance.errors import Unaccountable
from countenance.ledger import checkpoints, entries, receipts
from countenance.ledger.entries import KeyChange
from countenance.ledger.keys import KeyFile
from countenance.ledger.log import Ledger
from countenance.ledger.notes import InvalidNote, LogKey, Note, Verifier, parse
from countenance.ledger.rotation import handover

from .conftest import NAME, Installation, erasure


@pytest.fixture
def ledger(installation: Installation) -> Ledger:
    ledger = installation.open()
    ledger.append([erasure()] * 3)
    ledger.publish()
    return ledger


def test_the_new_key_signs_from_the_entry_on_that_the_old_one_signed(
    ledger: Ledger, installation: Installation
) -> None:
    old, successor = ledger.vkey, LogKey.generate(NAME)
    index = ledger.rotate(successor)
    assert index == 3
    assert ledger.vkey == successor.vkey
    entry = entries.read(ledger.entry(index))
    assert isinstance(entry, KeyChange)
    assert (entry.subject, entry.change, entry.old_vkey, entry.new_vkey) == (
        "log_key",
        "rotated",
        old,
        successor.vkey,
    )
    signed = checkpoints.verified(ledger.checkpoint(), [successor.verifier])
    assert signed.checkpoint.size == 4
    assert len(signed.note.signatures) == 1
    assert installation.published() == signed.checkpoint
    # Who trusts the old key is led to the new one; who trusts the new one needs no more.
    ledger.append([erasure()])
    ledger.publish()
    for trusted in (old, successor.vkey):
        report = installation.verified(trusted)
        assert (report.vkey, report.checkpoint.size) == (successor.vkey, 5)
    assert report.handovers == 1


def test_receipts_of_before_stay_good_and_new_ones_of_old_entries_are_signed_by_the_new_key(ledger: Ledger) -> None:
    old = Verifier.from_vkey(ledger.vkey)
    before = receipts.read_receipt(ledger.receipt(1))
    successor = LogKey.generate(NAME)
    ledger.rotate(successor)
    assert receipts.verify(before, [old]).checkpoint.size == 3
    assert receipts.verify(receipts.read_receipt(ledger.receipt(1)), [successor.verifier]).checkpoint.size == 4


def test_other_processes_go_on_with_the_new_key(ledger: Ledger, installation: Installation) -> None:
    other, reader = installation.open(), installation.open()
    successor = LogKey.generate(NAME)
    ledger.rotate(successor)
    assert other.append([erasure()]) == [4]
    assert other.vkey == successor.vkey
    reader.publish()
    assert (installation.folder / "log.vkey").read_text().strip() == successor.vkey
    assert installation.verified().checkpoint.size == 5


def test_a_rotated_ledger_opens_again_and_can_be_rotated_again(ledger: Ledger, installation: Installation) -> None:
    first = ledger.vkey
    for _ in range(2):
        ledger.rotate(LogKey.generate(NAME))
    installation.close()
    again = installation.open()
    again.append([erasure()])
    again.publish()
    report = installation.verified(first)
    assert (report.handovers, report.vkey, report.checkpoint.size) == (2, again.vkey, 6)


def test_two_who_rotate_at_once_do_so_one_after_the_other(ledger: Ledger, installation: Installation) -> None:
    first = ledger.vkey
    ledgers = [ledger, installation.open()]
    with ThreadPoolExecutor(4) as pool:
        adding = [pool.submit(lambda each=each: [each.append([erasure()]) for _ in range(20)]) for each in ledgers]
        rotating = [pool.submit(each.rotate, LogKey.generate(NAME)) for each in ledgers]
        for future in (*adding, *rotating):
            future.result(60)
    installation.close()
    again = installation.open()
    assert again.size() == 3 + 2 * 20 + 2
    report = installation.verified(first)
    assert (report.handovers, report.checkpoint.size) == (2, again.size())


def test_a_process_killed_right_after_the_commit_leaves_a_ledger_that_goes_on(
    ledger: Ledger, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, successor = ledger.vkey, LogKey.generate(NAME)

    def killed(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as killing:
        killing.setattr(KeyFile, "promote", killed)
        with pytest.raises(SystemExit):
            ledger.rotate(successor)
    assert KeyFile(installation.key).path.read_text().strip() != successor.skey
    again = installation.open()
    assert again.vkey == successor.vkey
    assert installation.key.read_text().strip() == successor.skey
    assert again.append([erasure()]) == [4]
    # The one that was taken for dead comes back.
    assert ledger.append([erasure()]) == [5]
    ledger.publish()
    assert installation.verified(first).checkpoint.size == 6


def test_a_rotation_that_is_not_committed_changes_nothing(
    ledger: Ledger, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ledger.vkey

    def fail(*_: object) -> Connection:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as failing:
        failing.setattr("countenance.ledger.sequencer.checkpoints.signed", fail)
        with pytest.raises(Unaccountable, match="No space left"):
            ledger.rotate(LogKey.generate(NAME))
    assert ledger.vkey == before
    assert ledger.append([erasure()]) == [3]
    installation.close()
    again = installation.open()
    assert again.vkey == before
    assert again.rotate(LogKey.generate(NAME)) == 4


def test_a_key_of_another_name_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match=f"the log is called {NAME}: a key of example.com/other cannot sign for it"):
        ledger.rotate(LogKey.generate("example.com/other"))
    assert ledger.append([erasure()]) == [3]


def test_an_old_copy_of_the_key_file_is_refused(ledger: Ledger, installation: Installation) -> None:
    old = installation.key.read_bytes()
    ledger.rotate(LogKey.generate(NAME))
    installation.close()
    installation.key.write_bytes(old)
    with pytest.raises(Unaccountable, match=r"does not hold: restore the key file .* in its newest version"):
        installation.open()


def test_a_machine_that_has_not_been_given_the_new_key_waits_for_it(ledger: Ledger, installation: Installation) -> None:
    old = installation.key.read_bytes()
    ledger.rotate(LogKey.generate(NAME))
    new = installation.key.read_bytes()
    other = installation.open()
    ledger.rotate(LogKey.generate(NAME))
    newest = installation.key.read_bytes()
    installation.key.write_bytes(old)
    with pytest.raises(Unaccountable, match="does not hold"):
        other.append([erasure()])
    assert new != newest
    installation.key.write_bytes(newest)
    assert other.append([erasure()]) == [5]


def test_a_statement_stays_signed_by_the_log_after_its_key_handed_over(
    ledger: Ledger, installation: Installation
) -> None:
    text = "a face model is qualified\nfor something\n"
    note, other = ledger.sign(text), installation.open()
    ledger.rotate(LogKey.generate(NAME))
    newer = ledger.sign(text)
    for process in (ledger, other, installation.open()):
        assert process.signed(note) == process.signed(newer) == text
    stranger = LogKey.generate(NAME)
    forged = str(Note(text, (stranger.sign(text),)))
    for altered in (note.replace("something", "anything"), forged, text):
        with pytest.raises(InvalidNote):
            ledger.signed(altered)


def test_nothing_is_signed_that_could_be_taken_for_the_log_itself(ledger: Ledger) -> None:
    """A checkpoint begins with an origin, which has no space; what hands the key over begins with words of its own."""
    checkpoint = parse(ledger.checkpoint()).text
    for text in (checkpoint, handover(ledger.vkey, ledger.vkey), "", "one\n", " one\n", "no newline at the end"):
        with pytest.raises(ValueError, match="in several words"):
            ledger.sign(text)
