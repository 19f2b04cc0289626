"""The sequencer: gives entries their place and time, and commits them together with a checkpoint that covers them.

One at a time, in all processes: whoever adds entries holds the writers' turn of the ledger's database, reads the state
again, and changes it in the same transaction. What somebody else has written since is taken over only if it is signed
by the log's key and no smaller than what was seen before.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Insert, bindparam, delete, insert, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql import ClauseElement

from countenance.errors import Unaccountable
from countenance.ledger import checkpoints, merkle, rotation
from countenance.ledger.batches import Batches
from countenance.ledger.checkpoints import Checkpoint
from countenance.ledger.drafts import Draft
from countenance.ledger.entries import KeyChange, timestamp
from countenance.ledger.keys import KeyFile
from countenance.ledger.merkle import CompactRange
from countenance.ledger.notes import LogKey
from countenance.ledger.rows import State, altered, make_state, read_state
from countenance.ledger.trust import RESTORE_DATABASE, Distrust, Trust
from countenance.storage import ledger_schema
from countenance.storage.database import Database

# How far a clock may be behind the last entry: machines that share a ledger differ by some milliseconds.
CLOCK_TOLERANCE_MS = 2_000

Clock = Callable[[], datetime]


@dataclass(slots=True)
class Addition:
    """Entries that are added together, and what goes with them. `first` is the index that the first one was given."""

    drafts: Sequence[Draft]
    salts: Mapping[str, bytes]
    opens: str | None = None
    closes: str | None = None
    first: int = -1


@dataclass(frozen=True, slots=True)
class _End:
    """The end of the ledger, from which it goes on: its state, and the key that signed it and signs what follows."""

    state: State
    key: LogKey


class Sequencer:
    """Adds entries to a ledger. Safe to share between threads and to run in several processes at once."""

    def __init__(self, database: Database, keys: KeyFile, trust: Trust, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._trust = trust
        self._clock = clock
        self._seen: _End | None = None
        self._statements = _Statements(database)
        self._batches: Batches[Addition] = Batches(self._commit)

    def start(self) -> None:
        """Verifies the state; that of an empty ledger is made where there is none. Raises Unaccountable."""
        try:
            with self._database.write() as connection:
                state = read_state(connection)
                if state is None:
                    state = State(CompactRange(), 0, self._signed(CompactRange(), self._keys.key), published=False)
                    row = {"size": 0, "tree": state.tree.to_bytes(), "at": 0, "checkpoint": state.checkpoint}
                    connection.execute(insert(ledger_schema.state).values(id=1, published=False, **row))
            self._seen = _End(state, state.verify(self._keys))
        except Distrust as error:
            raise self._trust.lose(error) from error
        except (SQLAlchemyError, OSError) as error:
            raise Unaccountable(unwritable(error)) from error

    def add(self, addition: Addition) -> None:
        """Commits entries, and tells the addition where they are. Raises Unaccountable when they are not committed."""
        self._batches.add(addition)

    def rotate(self, successor: LogKey) -> int:
        """Hands the log over to another key by an entry, whose index is returned; it signs from that entry on.

        Raises ValueError for a key of another name, Unaccountable when the entry is not committed.
        """
        addition = Addition((), {})
        self._commit([addition], successor)
        self._keys.promote(successor)
        return addition.first

    def now(self) -> datetime:
        """The time that an entry would be given now. Raises Unaccountable when the clock was set back."""
        return datetime.fromtimestamp(self._time(self._last_seen().state.at) / 1000, UTC)

    def _commit(self, batch: Sequence[Addition], successor: LogKey | None = None) -> None:
        try:
            with self._database.turn() as cursor:
                end = self._add(cursor, batch, successor)
        except Distrust as error:
            raise self._trust.lose(error) from error
        except (SQLAlchemyError, OSError, self._database.driver_error) as error:
            raise Unaccountable(unwritable(error)) from error
        # Several threads may come here in another order than they committed in.
        if end.state.tree.size > self._last_seen().state.tree.size:
            self._seen = end

    def _add(self, cursor: Any, batch: Sequence[Addition], successor: LogKey | None) -> _End:
        sql = self._statements
        end = self._current(cursor, sql)
        at = self._time(end.state.at)
        tree = end.state.tree.copy()
        key = end.key
        if successor is not None:
            batch[0].drafts = [self._handover(key, successor)]
            key = successor
        stamp = timestamp(datetime.fromtimestamp(at / 1000, UTC))
        rows = []
        for addition in batch:
            addition.first = tree.size
            for draft in addition.drafts:
                leaf = draft.leaf(stamp)
                leaf_hash = merkle.leaf_hash(leaf)
                rows.append({"leaf_index": tree.size, "leaf": leaf, "leaf_hash": leaf_hash, "at": at})
                tree.append(leaf_hash)
        opened = [{"use": one.opens, "leaf_index": one.first, "at": at} for one in batch if one.opens]
        closed = [{"use": one.closes} for one in batch if one.closes]
        salted = [{"use": use, "salt": salt} for one in batch for use, salt in one.salts.items()]
        new = State(tree, at, self._signed(tree, key), end.state.published)
        row = {"size": tree.size, "tree": tree.to_bytes(), "at": at, "checkpoint": new.checkpoint}
        with self._database.in_one_go(cursor):
            for statement, values in (
                (sql.add_entries, rows),
                (sql.open_uses, opened),
                (sql.close_uses, closed),
                (sql.add_salts, salted),
                (sql.change_state, [row]),
            ):
                if values:
                    cursor.executemany(statement, values)
        return _End(new, key)

    def _current(self, cursor: Any, sql: _Statements) -> _End:
        """The end as it is now, of which what this process has not seen yet is verified.

        Raises Distrust when it is not one that the log's key signed, or older than what was seen; and Unaccountable
        when it was signed by a key that is not here.
        """
        cursor.execute(sql.read_state)
        row = cursor.fetchone()
        seen = self._last_seen()
        had = seen.state.tree
        if row is None:
            raise _rolled_back(0, had.size)
        checkpoint, at, tree, published = row
        if checkpoint == seen.state.checkpoint and at == seen.state.at:
            return seen
        state = make_state(tree, at, checkpoint, bool(published))
        key = state.verify(self._keys)
        if state.tree.size < had.size:
            raise _rolled_back(state.tree.size, had.size)
        if state.tree.size == had.size and state.tree.root() != had.root():
            raise altered("it has another tree of the same size than before.")
        return _End(state, key)

    def _handover(self, key: LogKey, successor: LogKey) -> Draft:
        if successor.name != key.name:
            raise ValueError(f"the log is called {key.name}: a key of {successor.name} cannot sign for it")
        # In the transaction: so nobody else prepares another successor until this one is in force.
        self._keys.prepare(successor)
        signature = key.sign_bytes(rotation.handover(key.vkey, successor.vkey).encode())
        return Draft(
            KeyChange(
                subject="log_key",
                change="rotated",
                old_vkey=key.vkey,
                new_vkey=successor.vkey,
                signature=base64.b64encode(signature).decode(),
            )
        )

    def _time(self, last: int) -> int:
        now = int(self._clock().timestamp() * 1000)
        if now < last - CLOCK_TOLERANCE_MS:
            last_entry = timestamp(datetime.fromtimestamp(last / 1000, UTC))
            raise Unaccountable(
                f"This machine's clock is {(last - now) / 1000:,.0f} seconds behind the ledger's last entry "
                f"({last_entry}): set it right. Nothing is done until then."
            )
        return max(now, last)

    def _signed(self, tree: CompactRange, key: LogKey) -> str:
        return checkpoints.signed(Checkpoint(key.name, tree.size, tree.root()), key)

    def _last_seen(self) -> _End:
        assert self._seen is not None, "the sequencer has not been started"
        return self._seen


class _Statements:
    """What is executed for every batch, compiled once to the driver's SQL, with parameters by name."""

    def __init__(self, database: Database) -> None:
        self._database = database
        on_conflict = sqlite.insert if database.is_sqlite else postgresql.insert
        entries, state, uses, salts = (
            ledger_schema.entries,
            ledger_schema.state,
            ledger_schema.open_uses,
            ledger_schema.salts,
        )
        the_one = state.c.id == literal_column(str(ledger_schema.STATE))
        columns = state.c.checkpoint, state.c.at, state.c.tree, state.c.published
        self.read_state = self._compiled(select(*columns).where(the_one))
        self.change_state = self._compiled(update(state).where(the_one), "size", "tree", "at", "checkpoint")
        self.add_entries = self._compiled(insert(entries), "leaf_index", "leaf", "leaf_hash", "at")
        # What is there already stays: a use keeps its first intent and its salt.
        opening = cast("Insert", on_conflict(uses).inline().on_conflict_do_nothing())
        self.open_uses = self._compiled(opening, "use", "leaf_index", "at")
        self.close_uses = self._compiled(delete(uses).where(uses.c.use == bindparam("use")))
        salting = cast("Insert", on_conflict(salts).inline().on_conflict_do_nothing())
        self.add_salts = self._compiled(salting, "use", "salt")

    def _compiled(self, statement: ClauseElement, *columns: str) -> str:
        return self._database.compiled(statement, *columns).string


def unwritable(error: Exception) -> str:
    """The sentence about an error of the database or of the disk."""
    cause = str(getattr(error, "orig", None) or error).strip()
    return (
        f"The ledger cannot be written: {cause}. Nothing is done until it can be: see that the ledger's database runs "
        "and that its disk has space."
    )


def _rolled_back(has: int, had: int) -> Distrust:
    return Distrust(
        f"The ledger's database has {has:,} entries where it had {had:,}: it was set back to an older copy. "
        f"{RESTORE_DATABASE}"
    )
