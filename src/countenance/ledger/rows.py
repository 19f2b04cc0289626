"""What the ledger's database holds, as it is read. Nothing is trusted because it is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, select

from countenance.ledger import checkpoints, notes
from countenance.ledger.checkpoints import InvalidCheckpoint
from countenance.ledger.keys import KeyFile
from countenance.ledger.merkle import CompactRange
from countenance.ledger.notes import InvalidNote, LogKey
from countenance.ledger.trust import RESTORE_DATABASE, Distrust
from countenance.storage import ledger_schema

# How many entries are fetched at once: a few megabytes of entries as they usually are.
CHUNK = 4096


@dataclass(frozen=True, slots=True)
class State:
    """What the sequencer goes on from: the tree, the time of its last entry (UTC milliseconds), and its checkpoint."""

    tree: CompactRange
    at: int
    checkpoint: str
    published: bool

    def verify(self, keys: KeyFile) -> LogKey:
        """The log's key, which has signed the checkpoint for this tree. Raises Distrust when it has not.

        Raises Unaccountable when it was signed by a key that is not here.
        """
        try:
            note = notes.parse(self.checkpoint)
            key = keys.follow(note)
            checkpoint = checkpoints.verified(note, [key.verifier]).checkpoint
        except (InvalidNote, InvalidCheckpoint) as error:
            raise altered(f"its checkpoint is not valid. {error.message}") from error
        if (checkpoint.size, checkpoint.root) != (self.tree.size, self.tree.root()):
            raise altered("its tree is not the one that its checkpoint was signed for.")
        return key


class Row(NamedTuple):
    """An entry, and the hash that was kept with it."""

    leaf_index: int
    leaf: bytes
    leaf_hash: bytes


def read_state(connection: Connection) -> State | None:
    """The state, unverified; None before the first start. Raises Distrust when it is damaged."""
    columns = ledger_schema.state.c
    row = connection.execute(
        select(columns.tree, columns.at, columns.checkpoint, columns.published).where(columns.id == ledger_schema.STATE)
    ).one_or_none()
    if row is None:
        return None
    return make_state(row.tree, row.at, row.checkpoint, row.published)


def require_state(connection: Connection) -> State:
    """The state of a ledger that was begun, unverified. Raises Distrust when it is damaged or missing."""
    state = read_state(connection)
    if state is None:
        raise altered("it has lost its state.")
    return state


def make_state(tree: bytes, at: int, checkpoint: str, published: bool) -> State:
    """The state of these columns. Raises Distrust when they are damaged."""
    try:
        return State(CompactRange.from_bytes(tree), at, checkpoint, published)
    except ValueError as error:
        raise altered("its state cannot be read.") from error


def read_entries(connection: Connection, start: int, stop: int, *, chunk: int = CHUNK) -> Iterator[list[Row]]:
    """The entries from `start` up to `stop`, in lists of `chunk`. Raises Distrust where one is missing."""
    columns = ledger_schema.entries.c
    query = select(columns.leaf_index, columns.leaf, columns.leaf_hash).order_by(columns.leaf_index)
    for first in range(start, stop, chunk):
        last = min(first + chunk, stop)
        found = connection.execute(query.where(columns.leaf_index >= first, columns.leaf_index < last)).all()
        rows = [Row._make(values) for values in found]
        for index, row in enumerate(rows, first):
            if row.leaf_index != index:
                raise _missing(index)
        if len(rows) < last - first:
            raise _missing(first + len(rows))
        yield rows


def altered(what: str) -> Distrust:
    """What to raise when the database is not what the log's key signed."""
    return Distrust(f"The ledger's database was altered: {what} {RESTORE_DATABASE}")


def _missing(index: int) -> Distrust:
    return Distrust(f"The ledger's database has lost its entry {index}. {RESTORE_DATABASE}")
