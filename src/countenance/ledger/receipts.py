"""Receipts (c2sp.org/tlog-proof): that an entry is in the log, for whoever holds nothing but the log's verifier key.

    c2sp.org/tlog-proof@v1
    extra <the entry, in base64>
    index 73894
    <hashes, one a line>

    <the checkpoint>

The `extra` line is optional and unauthenticated by itself. Ours hands over the entry, which the proof then covers: an
entry that was altered is not the one that was logged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from countenance.errors import CountenanceError
from countenance.ledger.checkpoints import InvalidCheckpoint, SignedCheckpoint, read_number, read_text, verified
from countenance.ledger.merkle import (
    HASH_BYTES,
    MAX_PROOF,
    InvalidProof,
    ReadSubtree,
    inclusion_proof,
    leaf_hash,
    verify_inclusion,
)
from countenance.ledger.notes import MAX_NOTE_BYTES, Verifier, decoded_base64, encoded_base64, parse

HEADER = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"

# An entry of 65,535 bytes in base64 has 87,380; the rest is for the checkpoint's signatures.
MAX_RECEIPT_BYTES = MAX_NOTE_BYTES


class InvalidReceipt(CountenanceError):
    """The receipt is malformed."""

    code = "InvalidReceipt"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Entry `index` (from zero), the hashes that lead from it to the root, and the checkpoint's note with that root."""

    index: int
    proof: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def __str__(self) -> str:
        """The receipt as it is handed over."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {encoded_base64(self.extra)}")
        lines.append(f"index {self.index}")
        lines.extend(encoded_base64(part) for part in self.proof)
        return "\n".join(lines) + "\n\n" + self.checkpoint


def make(index: int, checkpoint: str, read: ReadSubtree, *, entry: bytes | None = None) -> Receipt:
    """The receipt of entry `index` under a checkpoint, with the entry in it when it is given.

    Raises InvalidProof when the checkpoint does not cover the entry.
    """
    size = read_text(parse(checkpoint).text).size
    if not 0 <= index < size:
        raise InvalidProof(f"The checkpoint has {size} entries and none of number {index}.")
    return Receipt(index, tuple(inclusion_proof(index, size, read)), checkpoint, entry)


def read_receipt(data: bytes | str) -> Receipt:
    """The receipt of these bytes, with nothing verified. Raises InvalidReceipt for anything else."""
    if len(data) > MAX_RECEIPT_BYTES:
        raise InvalidReceipt(f"A receipt has at most {MAX_RECEIPT_BYTES:,} bytes.")
    try:
        text = data.decode() if isinstance(data, bytes) else data
    except ValueError as error:
        raise InvalidReceipt("The receipt is not UTF-8.") from error
    head, blank, checkpoint = text.partition("\n\n")
    first, *lines = head.split("\n")
    if first != HEADER or not blank:
        raise InvalidReceipt(f"A receipt begins with the line {HEADER} and ends with a checkpoint.")
    extra: bytes | None = None
    if lines and lines[0].startswith("extra "):
        extra = decoded_base64(lines.pop(0).removeprefix("extra "))
        if extra is None:
            raise InvalidReceipt("The extra data of the receipt is not base64.")
    if not lines or not lines[0].startswith("index "):
        raise InvalidReceipt("The receipt does not say which entry it is of.")
    try:
        index = read_number(lines.pop(0).removeprefix("index "))
    except InvalidCheckpoint as error:
        raise InvalidReceipt("The receipt does not say which entry it is of.") from error
    if len(lines) > MAX_PROOF:
        raise InvalidReceipt(f"The proof of a receipt has at most {MAX_PROOF} hashes.")
    proof = [decoded_base64(line) for line in lines]
    hashes = tuple(part for part in proof if part is not None and len(part) == HASH_BYTES)
    if len(hashes) != len(proof):
        raise InvalidReceipt(f"The proof of a receipt is hashes of {HASH_BYTES} bytes in base64, one a line.")
    return Receipt(index, hashes, checkpoint, extra)


def verify(
    receipt: Receipt,
    log: Iterable[Verifier],
    witnesses: Iterable[Verifier] = (),
    *,
    entry: bytes | None = None,
    leaf: bytes | None = None,
) -> SignedCheckpoint:
    """Checks that an entry is in the log: the one given, the one of this leaf hash, or the one the receipt carries.

    Returns the checkpoint that says so. Raises InvalidReceipt when there is no entry to check, InvalidNote and
    InvalidCheckpoint when the checkpoint is not one of this log, and InvalidProof when the entry is not in it.
    """
    if leaf is None:
        content = receipt.extra if entry is None else entry
        if content is None:
            raise InvalidReceipt("The receipt does not carry its entry: it can only be checked beside it.")
        leaf = leaf_hash(content)
    trusted = verified(receipt.checkpoint, log, witnesses)
    verify_inclusion(leaf, receipt.index, trusted.checkpoint.size, receipt.proof, trusted.checkpoint.root)
    return trusted
