"""Checkpoints (c2sp.org/tlog-checkpoint): what a log says of itself, signed: its origin, its size and its root.

Trust: whoever holds a log's key can sign any checkpoint; that a log never signs two that contradict each other is what
witnesses watch over, whose cosignatures stand on the same note.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from countenance.errors import CountenanceError
from countenance.ledger.merkle import EMPTY_ROOT, HASH_BYTES, MAX_SIZE
from countenance.ledger.notes import (
    InvalidNote,
    LogKey,
    Note,
    Signature,
    Verifier,
    decoded_base64,
    encoded_base64,
    opened,
    parse,
)

# ASCII decimal without leading zeros, for numbers of up to 63 bits.
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class InvalidCheckpoint(CountenanceError):
    """The checkpoint is malformed."""

    code = "InvalidCheckpoint"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log. `root` has 32 bytes; `extensions` are lines that others may have added, and mean nothing."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What is signed."""
        lines = (self.origin, str(self.size), encoded_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint whose log's signature is verified, with the note it stands on and the cosignatures of witnesses.

    `vkey` is the key of the log that signed it.
    """

    checkpoint: Checkpoint
    vkey: str
    note: Note
    cosignatures: tuple[Signature, ...]


def read_text(text: str) -> Checkpoint:
    """The checkpoint of a note's text, with nothing verified. Raises InvalidCheckpoint for anything else."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() != "" or not all(lines):
        raise InvalidCheckpoint("A checkpoint has the lines origin, size and root, none of them empty.")
    origin, size, root, *extensions = lines
    decoded = decoded_base64(root)
    if decoded is None or len(decoded) != HASH_BYTES:
        raise InvalidCheckpoint(f"The root in a checkpoint is {HASH_BYTES} bytes in base64.")
    checkpoint = Checkpoint(origin, read_number(size), decoded, tuple(extensions))
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        raise InvalidCheckpoint("The checkpoint of a log without entries does not have the root of nothing.")
    return checkpoint


def read_number(text: str) -> int:
    """A size or index as all formats here write them. Raises InvalidCheckpoint for anything else."""
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise InvalidCheckpoint("A number of entries is written in decimal digits, without leading zeros.")
    return int(text)


def signed(checkpoint: Checkpoint, key: LogKey) -> str:
    """The checkpoint as a note, signed by the log, whose key has its origin as its name."""
    if key.name != checkpoint.origin:
        raise ValueError(f"a checkpoint of {checkpoint.origin} cannot be signed by {key.name}")
    return str(Note(checkpoint.text, (key.sign(checkpoint.text),)))


def verified(note: Note | bytes | str, log: Iterable[Verifier], witnesses: Iterable[Verifier] = ()) -> SignedCheckpoint:
    """The checkpoint of a note that one of the log's keys has signed; other signatures are ignored.

    Raises InvalidNote when the note is malformed, not signed by the log, or carries a false signature of one of these
    keys, and InvalidCheckpoint when it holds no checkpoint of the log whose keys they are.
    """
    if not isinstance(note, Note):
        note = parse(note)
    checkpoint = read_text(note.text)
    logs, others = list(log), list(witnesses)
    known = opened(note, [*logs, *others])
    signers = [verifier for verifier in logs if known.by(verifier)]
    if not signers:
        raise InvalidNote(f"The checkpoint is not signed by the log {checkpoint.origin}.")
    if signers[0].name != checkpoint.origin:
        raise InvalidCheckpoint(f"The checkpoint is of {checkpoint.origin}, not of {signers[0].name}.")
    cosignatures = tuple(signature for witness in others if (signature := known.by(witness)))
    return SignedCheckpoint(checkpoint, signers[0].vkey, note, cosignatures)
