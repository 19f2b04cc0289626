"""The ledger: what is added to it stays, in its order, and can be shown to anyone.

Entries are committed to a database together with a signed checkpoint that covers them, and published as tiles within
about a second. Everything that was published is compared with the database, at the start and again and again; whatever
does not fit ends the adding of entries, and with it every use that must be recorded.

Trust: an attacker who can modify the ledger's database can at most stop the server, or take back what was added since
the last checkpoint that anybody else has seen; they cannot change, reorder or remove an entry below it, and without the
key they cannot add one that verifies. An attacker who can modify the published folder can at most stop the server.
An attacker who has the key and either of them can rewrite the log for those who never saw it before; witnesses,
receipts and everybody who kept a checkpoint show that it was rewritten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import SQLAlchemyError

from countenance.errors import CountenanceError, ResourceNotFound, Unaccountable
from countenance.ledger import notes, receipts
from countenance.ledger.checkpoints import read_text
from countenance.ledger.cosigning import Cosigning, Witness
from countenance.ledger.drafts import Draft
from countenance.ledger.entries import Entry
from countenance.ledger.keys import KeyFile
from countenance.ledger.mirror import Store
from countenance.ledger.notes import LogKey
from countenance.ledger.published import Folder, PublishedLog
from countenance.ledger.rotation import HANDOVER
from countenance.ledger.rows import State, read_entries, read_state, require_state
from countenance.ledger.sequencer import Addition, Sequencer, unwritable
from countenance.ledger.tiles import TileFolder
from countenance.ledger.trust import Distrust, Trust
from countenance.ledger.upkeep import Upkeep
from countenance.storage import ledger_schema
from countenance.storage.database import Database

SALT_BYTES = 16

# Databases take some thousand parameters in one statement.
USES_AT_ONCE = 500

# What stands in place of a destroyed salt: a value of the same length is overwritten where it is.
_DESTROYED = bytes(SALT_BYTES)

_USE = re.compile(r"[a-z]-[0-9a-f]{32}")


def utc_now() -> datetime:
    """The time of this machine's clock."""
    return datetime.now(UTC)


class Ledger:
    """A tamper-evident log. Safe to share between threads and to open in several processes at once; not across fork().

    `Unaccountable` means that something could not be recorded, or that what was recorded cannot be relied on: then
    nothing may be done. A full disk, a database that does not answer and a clock that was set back mend themselves;
    anything else needs the ledger to be repaired and the server to be started again.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        keys: KeyFile,
        *,
        clock: Callable[[], datetime] = utc_now,
        witnesses: Iterable[Witness] = (),
        store: Store | None = None,
    ) -> None:
        """Opens the ledger; one without entries is begun, and its key made.

        `database` has the ledger's tables, `folder` is the one that is published, `store` one that it is copied into
        as well. Raises Unaccountable when the
        database, the folder and the key do not belong together, Misconfigured when the key file is open to others.
        """
        self._database = database
        self._folder = TileFolder(folder)
        self._keys = keys
        self._trust = Trust()
        self._sequencer = Sequencer(database, keys, self._trust, clock)
        self._cosigning = Cosigning(database, witnesses, clock)
        self._upkeep = Upkeep(database, self._folder, keys, trust=self._trust, cosigning=self._cosigning, store=store)
        self._open_key()
        self._sequencer.start()
        self._upkeep.start()

    @property
    def vkey(self) -> str:
        """The verifier key of the log, by which everybody can check what it signs."""
        return self._keys.key.vkey

    def append(
        self,
        entries: Sequence[Entry],
        *,
        salts: Mapping[str, bytes] | None = None,
        opens: str | None = None,
        closes: str | None = None,
    ) -> list[int]:
        """Adds entries, next to one another, and gives their indexes.

        They are on the disk then, and covered by a signed checkpoint. `salts` are kept beside the ledger, by the use
        that they are of. `opens` is a use whose intent is the first of these entries, `closes` one that ends with them.
        Raises Unaccountable when it cannot be done or relied on; nothing was added then, or what was added shows as a
        use that was never closed. Raises ValueError for an entry that is too long, or no use, or no salt.
        """
        self._upkeep.check()
        salts = salts or {}
        for use in (*salts, *(use for use in (opens, closes) if use is not None)):
            if not _USE.fullmatch(use):
                raise ValueError(f"{use!r} is no use")
        if any(len(salt) != SALT_BYTES for salt in salts.values()):
            raise ValueError(f"a salt has {SALT_BYTES} bytes")
        if not entries:
            raise ValueError("there is nothing to add")
        addition = Addition([Draft(entry) for entry in entries], salts, opens, closes)
        self._sequencer.add(addition)
        return list(range(addition.first, addition.first + len(entries)))

    def sign(self, statement: str) -> str:
        """A signed note (c2sp.org/signed-note) of a statement by the log's key, for something else than its tree.

        Its first line says what it states, in several words: no origin has a space, so that it is no checkpoint, and
        what hands the key over begins otherwise. Raises ValueError for anything that could be taken for one of these,
        and Unaccountable.
        """
        title, newline, _ = statement.partition("\n")
        if " " not in title.strip() or not newline or statement.startswith(HANDOVER):
            raise ValueError("the first line of a statement says in several words what it states")
        self._upkeep.check()
        return str(notes.Note(statement, (self._signer().sign(statement),)))

    def signed(self, note: str) -> str:
        """The text of a note that a key of this log has signed, also before it handed over to another.

        Raises InvalidNote for any other, and Unaccountable.
        """
        self._signer()
        return notes.opened(note, self._keys.verifiers).text

    def rotate(self, successor: LogKey) -> int:
        """Hands the log over to another key, by an entry that the old one signs; its index is returned.

        The new key is in the key file then, and signs from that entry on; the old one's secret is destroyed. Raises
        ValueError for a key of another name, and Unaccountable.
        """
        self._upkeep.check()
        index = self._sequencer.rotate(successor)
        self.publish()
        return index

    def check(self) -> None:
        """Raises Unaccountable when nothing could be added now, as far as that is known without trying."""
        self._upkeep.check()
        self.now()

    def now(self) -> datetime:
        """The server's time, never before the last entry's. Raises Unaccountable when the clock was set back."""
        return self._sequencer.now()

    def size(self) -> int:
        """How many entries are committed."""
        with self._database.read() as connection:
            return self._state(connection).tree.size

    def checkpoint(self) -> str:
        """The signed checkpoint of everything that is committed."""
        with self._database.read() as connection:
            return self._state(connection).checkpoint

    def entry(self, index: int) -> bytes:
        """The bytes of an entry. Raises ResourceNotFound when there is none of this index."""
        found = list(self.entries(index, index + 1)) if index >= 0 else []
        if not found:
            raise ResourceNotFound(f"The ledger has no entry {index}.")
        return found[0]

    def entries(self, start: int, stop: int) -> Iterator[bytes]:
        """The entries from `start` up to `stop`, or as many as there are. Raises Unaccountable where one is missing."""
        try:
            with self._database.read() as connection:
                size = self._state(connection).tree.size
                for rows in read_entries(connection, max(start, 0), min(stop, size)):
                    yield from (row.leaf for row in rows)
        except Distrust as error:
            raise self._trust.lose(error) from error

    def receipt(self, index: int) -> str:
        """The receipt of an entry (c2sp.org/tlog-proof), with the entry in it and the most cosignatures there are.

        Raises ResourceNotFound when there is no such entry, Unaccountable when what is published does not prove it.
        """
        entry = self.entry(index)
        note = self._cosigning.covering(index) or self._published_note(index)
        try:
            read = PublishedLog(Folder(self._folder.path)).subtrees(_size(note))
            receipt = receipts.make(index, note, read, entry=entry)
            receipts.verify(receipt, self._keys.verifiers)
        except CountenanceError as error:
            raise Unaccountable(f"The ledger as it is published does not prove entry {index}: {error}") from error
        return str(receipt)

    def publish(self) -> None:
        """Publishes everything that is committed. Raises Unaccountable when that cannot be done or relied on."""
        self._upkeep.publish()

    def dangling(self) -> list[tuple[str, int, datetime]]:
        """The uses that have an intent and nothing yet that closes them, as (use, index, time) of the intent."""
        table = ledger_schema.open_uses
        with self._database.read() as connection:
            rows = connection.execute(select(table.c.use, table.c.leaf_index, table.c.at).order_by(table.c.leaf_index))
            return [(use, index, datetime.fromtimestamp(at / 1000, UTC)) for use, index, at in rows]

    def salts(self, uses: Sequence[str]) -> dict[str, bytes]:
        """The salts of those of these uses that have one; destroyed ones are not given."""
        table = ledger_schema.salts
        found: dict[str, bytes] = {}
        with self._database.read() as connection:
            for some in _portions(uses):
                rows = connection.execute(select(table.c.use, table.c.salt).where(table.c.use.in_(some)))
                found |= {use: salt for use, salt in rows if salt != _DESTROYED}
        return found

    def destroy_salts(self, uses: Sequence[str]) -> None:
        """Makes the commitments of these uses unopenable, for good."""
        table = ledger_schema.salts
        with self._database.write(erases=True) as connection:
            for some in _portions(uses):
                connection.execute(update(table).where(table.c.use.in_(some)).values(salt=_DESTROYED))

    def witnessed(self) -> list[tuple[str, float]]:
        """The witnesses that have cosigned, by the names of their keys, and how many seconds ago."""
        return self._cosigning.ages()

    def close(self) -> None:
        """Publishes what is not published yet, if that can be done, and ends the background work.

        The database stays open: it is its owner's.
        """
        self._upkeep.stop()

    def _state(self, connection: Connection) -> State:
        try:
            return require_state(connection)
        except Distrust as error:
            raise self._trust.lose(error) from error

    def _signer(self) -> LogKey:
        """The key that signs at present, also when another process has rotated it."""
        return self._keys.follow(notes.parse(self.checkpoint()))

    def _open_key(self) -> None:
        try:
            with self._database.read() as connection:
                is_new = read_state(connection) is None
        except Distrust as error:
            raise self._trust.lose(error) from error
        except SQLAlchemyError as error:
            raise Unaccountable(unwritable(error)) from error
        self._keys.open(creates=is_new and self._folder.read_note() is None)

    def _published_note(self, index: int) -> str:
        content = self._folder.read_note()
        if content is None or _size(content.decode()) <= index:
            self._upkeep.publish()
            content = self._folder.read_note() or b""
        return content.decode()


def _portions(uses: Sequence[str]) -> Iterator[Sequence[str]]:
    return (uses[start : start + USES_AT_ONCE] for start in range(0, len(uses), USES_AT_ONCE))


def _size(note: str) -> int:
    return read_text(notes.parse(note).text).size
