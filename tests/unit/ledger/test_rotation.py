"""A log's key may change, and those who trust the old one are led to the new one by what it signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from countenance.ledger.entries import Entry, KeyChange
from countenance.ledger.notes import CosignerKey, InvalidNote, LogKey, encoded_base64
from countenance.ledger.published import PublishedLog
from countenance.ledger.rotation import handover
from countenance.ledger.verify import Report, Unverified, verify
from tests.unit.ledger import logs

FIRST, SECOND, THIRD, FALSE = (LogKey(logs.ORIGIN, bytes([number]) * 32) for number in range(1, 5))


def change(old: LogKey, new: LogKey, signer: LogKey | None = None) -> KeyChange:
    signature = (signer or old).sign_bytes(handover(old.vkey, new.vkey).encode())
    return KeyChange(
        subject="log_key",
        change="rotated",
        old_vkey=old.vkey,
        new_vkey=new.vkey,
        signature=encoded_base64(signature),
    )


def published(folder: Path, entries: list[Entry], signer: LogKey) -> PublishedLog:
    return PublishedLog.at(str(logs.publish(folder, logs.leaves(entries), signer)))


def verified(log: PublishedLog, *trusted: LogKey) -> Report:
    return verify(log, [key.verifier for key in trusted])


@pytest.fixture
def rotated(tmp_path: Path) -> PublishedLog:
    """Twice."""
    entries = [*logs.uses(2), change(FIRST, SECOND), *list(logs.uses(4))[6:], change(SECOND, THIRD)]
    return published(tmp_path, entries, THIRD)


def test_what_is_signed_names_both_keys() -> None:
    assert handover(FIRST.vkey, SECOND.vkey) == (f"countenance log key rotation\n{FIRST.vkey}\n{SECOND.vkey}\n")


@pytest.mark.parametrize("trusted", [FIRST, SECOND, THIRD])
def test_trust_in_any_of_the_keys_leads_to_the_last(rotated: PublishedLog, trusted: LogKey) -> None:
    report = verified(rotated, trusted)
    assert (report.vkey, report.handovers) == (THIRD.vkey, 2)


def test_trust_in_another_key_leads_nowhere(rotated: PublishedLog) -> None:
    with pytest.raises(InvalidNote, match="not signed"):
        verified(rotated, FALSE)


def test_a_key_that_has_handed_over_signs_no_more(tmp_path: Path) -> None:
    """Whoever stole it goes on from before; or even from after, if they have the entries."""
    log = published(tmp_path, [*logs.uses(2), change(FIRST, SECOND)], FIRST)
    for trusted in ([FIRST], [SECOND], [FIRST, SECOND]):
        with pytest.raises(InvalidNote, match="not signed"):
            verified(log, *trusted)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([change(FIRST, FALSE, signer=FALSE)], "did not sign that it hands over"),
        ([change(FIRST, SECOND).model_copy(update={"signature": None})], "did not sign that it hands over"),
        ([change(FIRST, SECOND).model_copy(update={"signature": "AAAA"})], "did not sign that it hands over"),
        ([change(FIRST, SECOND).model_copy(update={"new_vkey": FALSE.vkey})], "did not sign that it hands over"),
        ([change(FIRST, LogKey("example.org/other", b"\x02" * 32))], "did not sign that it hands over"),
        ([change(FIRST, SECOND), change(FIRST, FALSE)], "by another one than the key in force"),
        ([change(FIRST, SECOND), change(FALSE, THIRD)], "by another one than the key in force"),
        ([change(FIRST, SECOND).model_copy(update={"change": "revoked"})], "by another one than the key in force"),
        ([change(FIRST, SECOND).model_copy(update={"new_vkey": None})], "does not name it"),
        ([change(FIRST, SECOND).model_copy(update={"old_vkey": "garbage"})], "does not name it"),
        (
            [change(FIRST, SECOND).model_copy(update={"new_vkey": CosignerKey(logs.ORIGIN, bytes(32)).vkey})],
            "the key of a witness",
        ),
    ],
)
def test_false_handovers_are_named(tmp_path: Path, entries: list[Entry], reason: str) -> None:
    log = published(tmp_path, [*logs.uses(1), *entries], FIRST)
    with pytest.raises(Unverified, match=reason) as refusal:
        verified(log, FIRST)
    assert refusal.value.index == 2 + len(entries)


def test_a_log_may_name_its_first_key(tmp_path: Path) -> None:
    created = KeyChange(subject="log_key", change="created", new_vkey=FIRST.vkey)
    log = published(tmp_path, [created, *logs.uses(1), change(FIRST, SECOND)], SECOND)
    assert verified(log, FIRST).vkey == SECOND.vkey


def test_keys_of_people_are_not_the_logs(tmp_path: Path) -> None:
    other = KeyChange(subject="access_key", change="created", principal=logs.uid("p", 1))
    assert verified(published(tmp_path, [other], FIRST), FIRST).handovers == 0
