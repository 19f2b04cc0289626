"""A witness: it cosigns a log's checkpoints as long as each grows out of the one before, and never one that does not.

The decisions of c2sp.org/tlog-witness, without the transport. A witness that somebody else runs is what keeps a log
from showing different people different things, from dropping its end, and from dating anything back: each cosignature
says that this was the largest tree it had seen at that time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time

from countenance.errors import CountenanceError
from countenance.ledger.checkpoints import Checkpoint, InvalidCheckpoint, read_number, read_text, verified
from countenance.ledger.consistency import Fork, check_growth, contradiction
from countenance.ledger.merkle import EMPTY_ROOT, HASH_BYTES, MAX_PROOF, InvalidProof, verify_consistency
from countenance.ledger.notes import (
    CosignerKey,
    InvalidNote,
    Note,
    Signature,
    Verifier,
    decoded_base64,
    encoded_base64,
    parse,
)
from countenance.ledger.published import PublishedLog
from countenance.ledger.witness_records import Record, Records, keep_evidence

# A proof has 2,835 bytes at most; the rest is for a note with sixteen signatures of the longest kind there is.
MAX_REQUEST_BYTES = 64 * 1024

# A clock may be corrected by as much. Behind more, no cosignature is given: it would speak of another time.
CLOCK_TOLERANCE_SECONDS = 5


class NotCosigned(CountenanceError):
    """The checkpoint is not cosigned. `status` is HTTP's, as c2sp.org/tlog-witness gives it."""

    code = "NotCosigned"

    def __init__(self, message: str, status: int, *, size: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.size = size


@dataclass(frozen=True, slots=True)
class _Request:
    old_size: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint


class Witness:
    """Cosigns the checkpoints of logs by the keys it knows them by. Safe to share between threads."""

    def __init__(
        self,
        key: CosignerKey,
        logs: Sequence[Verifier],
        records: Records,
        folder: Path,
        *,
        clock: Callable[[], float] = time,
    ) -> None:
        self.key = key
        self._logs = list(logs)
        self._records = records
        self._folder = folder
        self._clock = clock

    def add_checkpoint(self, body: bytes) -> str:
        """Answers a request of c2sp.org/tlog-witness with the cosignature's line. Raises NotCosigned."""
        request = _read_request(body)
        logs = [verifier for verifier in self._logs if verifier.name == request.checkpoint.origin]
        if not logs:
            raise NotCosigned(f"This witness does not know the log {request.checkpoint.origin}.", 404)
        try:
            signed = verified(request.note, logs)
        except (InvalidNote, InvalidCheckpoint) as error:
            raise NotCosigned(error.message, 403) from error
        if request.old_size > request.checkpoint.size:
            raise NotCosigned("The old size is larger than the checkpoint's.", 400)
        return self._cosigned(signed.note, lambda record: self._check(request, record)).line()

    def observe(self, log: PublishedLog) -> Checkpoint:
        """Fetches a log's newest checkpoint, and cosigns it when its tiles prove that it grew out of the last one.

        Raises Fork, with the evidence kept; Stale when the log shows an older one; InvalidNote and InvalidCheckpoint
        when it is not signed as it must be; and what reading the log raises.
        """
        signed = verified(log.checkpoint(), self._logs)
        checkpoint = signed.checkpoint
        seen = self._records.get(checkpoint.origin)
        if seen is not None:
            # The network must not hold up others, so the record is not locked meanwhile.
            try:
                check_growth(log, seen.note, signed.note)
            except Fork as fork:
                keep_evidence(self._folder, fork)
                raise

        def unchanged(record: Record | None) -> None:
            if (record and record.note.text) != (seen and seen.note.text):
                raise NotCosigned(f"Another process has cosigned {checkpoint.origin} meanwhile.", 409)

        self._cosigned(signed.note, unchanged)
        return checkpoint

    def newest(self, origin: str) -> Record | None:
        """The newest checkpoint of a log that was cosigned."""
        return self._records.get(origin)

    def close(self) -> None:
        """Lets go of the records."""
        self._records.close()

    def _cosigned(self, note: Note, check: Callable[[Record | None], None]) -> Signature:
        made: list[Signature] = []

        def successor(record: Record | None) -> Record:
            check(record)
            now = self._now(record)
            made.append(self.key.cosign(note.text, now))
            # What others may have added to the note is theirs to show.
            own = [signature for signature in note.signatures if any(log.knows(signature) for log in self._logs)]
            return Record(Note(note.text, (*own, made[0])), now)

        self._records.replace(read_text(note.text).origin, successor)
        return made[0]

    def _check(self, request: _Request, record: Record | None) -> None:
        known = read_text(record.note.text) if record else None
        size = known.size if known else 0
        if request.old_size != size:
            raise NotCosigned(f"The newest checkpoint cosigned has {size} entries.", 409, size=size)
        root = known.root if known else EMPTY_ROOT
        if record and size == request.checkpoint.size and root != request.checkpoint.root:
            fork = contradiction(record.note, request.note)
            keep_evidence(self._folder, fork)
            raise NotCosigned(fork.message, 422)
        try:
            verify_consistency(size, request.checkpoint.size, root, request.checkpoint.root, request.proof)
        except InvalidProof as error:
            raise NotCosigned(error.message, 422) from error

    def _now(self, record: Record | None) -> int:
        now = int(self._clock())
        last = record.time if record else 0
        if now < last - CLOCK_TOLERANCE_SECONDS:
            raise NotCosigned(f"The clock of this witness is {last - now} seconds behind its last cosignature.", 500)
        return max(now, last)


def request_body(old_size: int, proof: Sequence[bytes], note: str) -> bytes:
    """What a log sends to have a checkpoint cosigned, with the proof from the checkpoint that was cosigned last."""
    lines = [f"old {old_size}", *(encoded_base64(part) for part in proof)]
    return ("\n".join(lines) + "\n\n" + note).encode()


def _read_request(body: bytes) -> _Request:
    malformed = NotCosigned("The request is not an old size, a proof, an empty line and a checkpoint.", 400)
    head, blank, note = body.partition(b"\n\n")
    if not blank or len(body) > MAX_REQUEST_BYTES:
        raise malformed
    try:
        first, *lines = head.decode("ascii").split("\n")
        if not first.startswith("old ") or len(lines) > MAX_PROOF:
            raise malformed
        old_size = read_number(first.removeprefix("old "))
        parsed = parse(note)
        checkpoint = read_text(parsed.text)
    except (InvalidNote, InvalidCheckpoint) as error:
        raise NotCosigned(error.message, 400) from error
    except UnicodeDecodeError as error:
        raise malformed from error
    proof = [decoded_base64(line) for line in lines]
    hashes = tuple(part for part in proof if part is not None and len(part) == HASH_BYTES)
    if len(hashes) != len(proof):
        raise malformed
    return _Request(old_size, hashes, parsed, checkpoint)
