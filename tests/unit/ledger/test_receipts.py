"""A receipt shows, without any network, that an entry is in the log; and nothing else passes as one."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countenance.errors import CountenanceError
from countenance.ledger import receipts
from countenance.ledger.merkle import InvalidProof, leaf_hash
from countenance.ledger.notes import CosignerKey, InvalidNote, LogKey, Note, parse
from countenance.ledger.receipts import InvalidReceipt, Receipt, read_receipt
from tests.unit.ledger import logs

ENTRIES = logs.log_of(100)
NOTE = logs.note_of(ENTRIES)
VERIFIERS = [logs.KEY.verifier]


def made(index: int, *, carries: bool = True) -> Receipt:
    return receipts.make(index, NOTE, logs.reader(ENTRIES), entry=ENTRIES[index] if carries else None)


def test_a_receipt_is_laid_out_as_the_specification_has_it() -> None:
    receipt = made(73)
    lines = str(receipt).split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1] == "extra " + base64.b64encode(ENTRIES[73]).decode()
    assert lines[2] == "index 73"
    assert lines[3:10] == [base64.b64encode(part).decode() for part in receipt.proof]
    assert str(receipt).endswith("\n\n" + NOTE)
    assert len(receipt.proof) == 7


@given(st.integers(0, 99), st.booleans())
def test_a_receipt_is_verified_by_whoever_reads_it(index: int, carries: bool) -> None:
    receipt = read_receipt(str(made(index, carries=carries)).encode())
    assert receipt == made(index, carries=carries)
    signed = receipts.verify(receipt, VERIFIERS, entry=ENTRIES[index])
    assert signed.checkpoint.size == 100
    receipts.verify(receipt, VERIFIERS, leaf=leaf_hash(ENTRIES[index]))
    if carries:
        receipts.verify(receipt, VERIFIERS)


def test_another_entry_is_not_the_one() -> None:
    for other in (ENTRIES[8], b"", ENTRIES[7] + b" "):
        with pytest.raises(InvalidProof, match="does not show that this entry is entry 7 of the 100"):
            receipts.verify(made(7), VERIFIERS, entry=other)
    with pytest.raises(InvalidProof):
        receipts.verify(Receipt(8, made(7).proof, NOTE, ENTRIES[7]), VERIFIERS)
    with pytest.raises(InvalidProof):
        receipts.verify(Receipt(7, made(7).proof, NOTE, ENTRIES[7] + b"\n"), VERIFIERS)


def test_an_entry_beyond_the_checkpoint_has_no_receipt() -> None:
    for index in (-1, 100, 2**62):
        with pytest.raises(InvalidProof, match="none of number"):
            receipts.make(index, NOTE, logs.reader(ENTRIES))
    with pytest.raises(InvalidProof, match="has no entry 100"):
        receipts.verify(Receipt(100, made(99).proof, NOTE, ENTRIES[99]), VERIFIERS)


def test_without_its_entry_a_receipt_shows_nothing() -> None:
    with pytest.raises(InvalidReceipt, match="does not carry its entry"):
        receipts.verify(made(7, carries=False), VERIFIERS)


def test_the_checkpoint_must_be_the_logs() -> None:
    with pytest.raises(InvalidNote):
        receipts.verify(made(7), [LogKey(logs.ORIGIN, b"\x09" * 32).verifier])


def test_cosignatures_come_with_the_receipt() -> None:
    witness = CosignerKey("ngo.example/w", b"\x02" * 32)
    note = parse(NOTE)
    cosigned = str(Note(note.text, (*note.signatures, witness.cosign(note.text, 1_790_000_000))))
    receipt = read_receipt(str(receipts.make(7, cosigned, logs.reader(ENTRIES), entry=ENTRIES[7])))
    signed = receipts.verify(receipt, VERIFIERS, [witness.verifier])
    assert [signature.time for signature in signed.cosignatures] == [1_790_000_000]


def test_the_only_entry_of_a_log_needs_no_hashes() -> None:
    receipt = read_receipt(str(receipts.make(0, logs.note_of(ENTRIES[:1]), logs.reader(ENTRIES[:1]))))
    assert receipt.proof == ()
    receipts.verify(receipt, VERIFIERS, entry=ENTRIES[0])


@given(st.data())
def test_no_flipped_bit_passes(data: st.DataObject) -> None:
    """A receipt with one bit changed is refused, whatever the bit says."""
    whole = str(made(data.draw(st.integers(0, 99)))).encode()
    place, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    flipped = whole[:place] + bytes([whole[place] ^ (1 << bit)]) + whole[place + 1 :]
    with pytest.raises(CountenanceError):
        receipts.verify(read_receipt(flipped), VERIFIERS)


HASH = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        "c2sp.org/tlog-proof@v1",
        "c2sp.org/tlog-proof@v1\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v2\nindex 0\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\r\nindex 0\r\n\r\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 0",
        "c2sp.org/tlog-proof@v1\nindex\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex -1\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 00\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 1e3\n\ncheckpoint\n",
        f"c2sp.org/tlog-proof@v1\nindex {2**63}\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 0\nextra AAAA\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nextra !\nindex 0\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nextra AAAA\nextra AAAA\nindex 0\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n!\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n" + f"{HASH}\n" * 64 + "\ncheckpoint\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n\n" + "x" * 1_000_000,
    ],
)
def test_malformed_receipts_are_refused(malformed: str) -> None:
    with pytest.raises(InvalidReceipt):
        read_receipt(malformed)


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_any_bytes_are_a_receipt_or_refused(data: bytes | str) -> None:
    head = "c2sp.org/tlog-proof@v1\n"
    for content in (data, head + data if isinstance(data, str) else head.encode() + data):
        with pytest.raises(CountenanceError):
            receipts.verify(read_receipt(content), VERIFIERS, entry=b"")


def test_empty_extra_data_is_an_entry_of_no_bytes() -> None:
    receipt = read_receipt(f"c2sp.org/tlog-proof@v1\nextra \nindex 0\n\n{NOTE}")
    assert receipt.extra == b""
    assert str(receipt) == f"c2sp.org/tlog-proof@v1\nextra \nindex 0\n\n{NOTE}"
