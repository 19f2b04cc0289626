"""Asking witnesses to cosign checkpoints: others who remember what the log has shown them, and when.

Trust: a witness can at most withhold its cosignature; what it answers is verified before it is kept or published.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from sqlalchemy import insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from countenance.errors import CountenanceError
from countenance.ledger import merkle, notes
from countenance.ledger.checkpoints import read_text
from countenance.ledger.merkle import ReadSubtree
from countenance.ledger.notes import InvalidNote, Note, Signature, Verifier
from countenance.storage import ledger_schema
from countenance.storage.database import Database
from countenance.storage.lately import Lately

# How often a witness is asked at most, and how often to cosign again what has not grown: its time is worth something.
INTERVAL_SECONDS = 10.0
REFRESH_SECONDS = 60.0

# How long a checkpoint waits for cosignatures before it is published without those that have not come.
PATIENCE_SECONDS = 5.0

# How long it is known, in seconds, when witnesses have cosigned: every use asks, and they do so every ten at most.
KNOWN_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class AnotherSize(CountenanceError):
    """The witness has last seen another size of the log than was thought."""

    code = "AnotherSize"

    def __init__(self, size: int) -> None:
        super().__init__(f"The witness has last seen {size:,} entries of the log.")
        self.size = size


class Witness(Protocol):
    """Somebody who cosigns checkpoints of logs that only ever grow (c2sp.org/tlog-witness)."""

    @property
    def verifier(self) -> Verifier:
        """The key it cosigns with."""

    def cosign(self, note: str, old_size: int, consistency: list[bytes]) -> str:
        """The line of its cosignature under a checkpoint, which grew from the size it has last seen.

        Raises AnotherSize when it has last seen another one, and CountenanceError or OSError when it does not cosign.
        """


@dataclass(slots=True)
class _Known:
    """A witness, and when this process has asked it last."""

    witness: Witness
    asked: float = float("-inf")
    is_asked: bool = False

    @property
    def name(self) -> str:
        return self.witness.verifier.name


@dataclass(frozen=True, slots=True)
class _Cosigned:
    """What a witness has cosigned last, and when by its own clock (UTC milliseconds)."""

    size: int = 0
    at: int = 0
    checkpoint: str = ""
    line: str = ""


class Cosigning:
    """The witnesses of a log, and what they have cosigned. One thread gathers; any may read."""

    def __init__(self, database: Database, witnesses: Iterable[Witness], clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._witnesses = [_Known(witness) for witness in witnesses]
        self._lately = Lately(self._last, KNOWN_SECONDS)

    @property
    def names(self) -> list[str]:
        """The names of the witnesses' keys."""
        return [known.name for known in self._witnesses]

    def due(self) -> bool:
        """Whether it is time to ask a witness, as far as this process knows."""
        return any(self._may_be_asked(known) for known in self._witnesses)

    def gather(self, note: str, read: ReadSubtree) -> list[Signature]:
        """Asks the witnesses whose time it is, all at once, and gives the cosignatures that came soon enough.

        `read` reads the tree that the checkpoint covers. A witness that does not cosign is logged, and asked again
        later.
        """
        size = read_text(notes.parse(note).text).size
        last = self._last()
        requests = [
            _Request(self, known, last.get(known.name, _Cosigned()), note=note, size=size, read=read)
            for known in self._witnesses
            if self._is_due(known, last.get(known.name), size)
        ]
        for request in requests:
            request.start()
        deadline = time.monotonic() + PATIENCE_SECONDS
        for request in requests:
            request.join(max(0.0, deadline - time.monotonic()))
        return [request.signature for request in requests if request.signature is not None]

    def ages(self) -> list[tuple[str, float]]:
        """The witnesses that have ever cosigned, and how many seconds ago that was by their own clocks."""
        if not self._witnesses:
            return []
        now = self._clock().timestamp()
        last = self._lately.get()
        return [(known.name, now - last[known.name].at / 1000) for known in self._witnesses if known.name in last]

    def covering(self, index: int) -> str | None:
        """A checkpoint that covers this entry, with the most cosignatures there are; None when there are none."""
        by_note: dict[str, list[str]] = {}
        for cosigned in self._last().values():
            if cosigned.size > index:
                by_note.setdefault(cosigned.checkpoint, []).append(cosigned.line)
        if not by_note:
            return None
        checkpoint, lines = max(by_note.items(), key=lambda item: len(item[1]))
        return checkpoint + "".join(lines)

    def remember(self, name: str, size: int, note: str, signature: Signature) -> None:
        """Keeps what a witness has cosigned, for receipts and for other processes of this log."""
        # Without other cosignatures: each is kept with its own witness.
        parsed = notes.parse(note)
        row = {
            "size": size,
            "at": signature.time * 1000,
            "checkpoint": str(Note(parsed.text, parsed.signatures[:1])),
            "line": signature.line(),
        }
        table = ledger_schema.cosignatures
        with self._database.write() as connection:
            changed = connection.execute(update(table).where(table.c.witness == name).values(**row))
            if not changed.rowcount:
                connection.execute(insert(table).values(witness=name, **row))
        self._lately.forget()

    @staticmethod
    def _may_be_asked(known: _Known) -> bool:
        return not known.is_asked and time.monotonic() - known.asked >= INTERVAL_SECONDS

    def _is_due(self, known: _Known, last: _Cosigned | None, size: int) -> bool:
        if not self._may_be_asked(known):
            return False
        if last is None:
            return True
        # Another process may have asked it; a clock that is ahead of ours must not keep us from asking.
        since = self._clock().timestamp() - last.at / 1000
        return since < 0 or since >= (REFRESH_SECONDS if last.size == size else INTERVAL_SECONDS)

    def _last(self) -> dict[str, _Cosigned]:
        columns = ledger_schema.cosignatures.c
        query = select(columns.witness, columns.size, columns.at, columns.checkpoint, columns.line)
        with self._database.read() as connection:
            return {name: _Cosigned(*values) for name, *values in connection.execute(query)}


class _Request(threading.Thread):
    """One witness being asked. Whoever waits for it may stop waiting; what comes late is kept all the same."""

    def __init__(
        self, cosigning: Cosigning, known: _Known, last: _Cosigned, *, note: str, size: int, read: ReadSubtree
    ) -> None:
        super().__init__(name=f"witness {known.name}", daemon=True)
        self.signature: Signature | None = None
        self._cosigning = cosigning
        self._known = known
        self._last = last
        self._note = note
        self._size = size
        self._read = read
        known.asked, known.is_asked = time.monotonic(), True

    def run(self) -> None:
        """Asks, and keeps the answer when it is a cosignature."""
        try:
            line = self._ask()
            signature = notes.parse_signature(line.removesuffix("\n"))
            if not self._known.witness.verifier.verify(notes.parse(self._note).text, signature):
                raise InvalidNote("What it sent is no cosignature of the checkpoint.")
            self._cosigning.remember(self._known.name, self._size, self._note, signature)
            self.signature = signature
        except (CountenanceError, OSError, ValueError, SQLAlchemyError) as error:
            _log.warning("a witness did not cosign", witness=self._known.name, size=self._size, why=str(error))
        finally:
            self._known.is_asked = False

    def _ask(self) -> str:
        try:
            return self._cosigned(self._last.size)
        except AnotherSize as other:
            if other.size > self._size:
                raise
            return self._cosigned(other.size)

    def _cosigned(self, old: int) -> str:
        proof = merkle.consistency_proof(old, self._size, self._read)
        return self._known.witness.cosign(self._note, old, proof)
