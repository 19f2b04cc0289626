"""What a witness must never forget: the newest checkpoint it has cosigned of each log, and its own key.

    <state>/witness.key      the signer key, readable by its owner only
    <state>/witness.vkey     the verifier key, for everybody
    <state>/witness.sqlite   the newest cosigned checkpoint of each log
    <state>/cosigned/        the same as files, of logs that were fetched
    <state>/evidence/        checkpoints of logs that contradicted themselves

Trust: whoever can modify the database can make the witness cosign a fork; whoever can read the key can do so elsewhere.
A state that was restored from an old backup has forgotten what it cosigned since: start a witness with a new key then.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from countenance.errors import CountenanceError, Misconfigured
from countenance.ledger.consistency import Fork
from countenance.ledger.notes import CosignerKey, InvalidKey, Note, parse
from countenance.storage import private_files

KEY = "witness.key"
VKEY = "witness.vkey"
DATABASE = "witness.sqlite"
COSIGNED = "cosigned"
EVIDENCE = "evidence"

# How long one process waits for another one that is writing.
LOCK_SECONDS = 10.0

_PUBLIC = 0o644
_SCHEMA = """
create table if not exists checkpoints (
    origin text primary key,
    note text not null,
    time integer not null
) without rowid
"""


class Unrecorded(CountenanceError):
    """The witness cannot record what it cosigns, so it cosigns nothing."""

    code = "Unrecorded"


@dataclass(frozen=True, slots=True)
class Record:
    """The newest checkpoint of a log that was cosigned: its note, with the log's signature and the cosignature.

    `time` is the cosignature's, in POSIX seconds.
    """

    note: Note
    time: int


class Records:
    """The newest cosigned checkpoints, by origin. Safe to share between threads and processes."""

    def __init__(self, folder: Path) -> None:
        """Opens the database in the folder. Raises Misconfigured when it is none."""
        self._lock = threading.Lock()
        try:
            self._connection = sqlite3.connect(
                folder / DATABASE, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
            )
            # A commit has returned when the record, and the name of the journal that is gone, are on the disk.
            self._connection.execute("pragma synchronous = extra")
            self._connection.execute(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise Misconfigured(f"{folder / DATABASE} cannot be used: {error}.") from error

    def get(self, origin: str) -> Record | None:
        """The newest one of a log. Raises Unrecorded when the database cannot be read."""
        with self._lock, _recording():
            return self._get(origin)

    def replace(self, origin: str, successor: Callable[[Record | None], Record]) -> Record:
        """Replaces the record by the one that `successor` makes of it, with nobody in between; returns the new one.

        It is on the disk when this returns. What `successor` raises leaves everything as it was. Raises Unrecorded when
        it cannot be written.
        """
        with self._lock, _recording():
            self._connection.execute("begin immediate")
            try:
                record = successor(self._get(origin))
                self._connection.execute(
                    "replace into checkpoints (origin, note, time) values (?, ?, ?)",
                    (origin, str(record.note), record.time),
                )
                self._connection.execute("commit")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                raise
        return record

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            self._connection.close()

    def _get(self, origin: str) -> Record | None:
        with closing(
            self._connection.execute("select note, time from checkpoints where origin = ?", (origin,))
        ) as cursor:
            row = cursor.fetchone()
        return None if row is None else Record(parse(row[0]), row[1])


@contextmanager
def _recording() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Unrecorded(f"The witness cannot record what it cosigns, so it cosigns nothing: {error}.") from error


def open_key(folder: Path, name: str | None) -> CosignerKey:
    """The witness's key, made on its first start under `name`, which it keeps. Makes the folder when there is none.

    Raises Misconfigured when others may read the key, it is none, it is called otherwise, or a new one has no name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / KEY
    if not path.exists():
        if name is None:
            raise Misconfigured("A new witness needs a name: give one with --name, such as witness.example.org/w1.")
        try:
            key = CosignerKey.generate(name)
        except InvalidKey as error:
            raise Misconfigured(f"The witness cannot be called {name!r}: {error.message}") from error
        private_files.make(path, f"{key.skey}\n".encode())
    content = private_files.read(path, otherwise="start a witness with a new key")
    try:
        key = CosignerKey.from_skey(content.decode("ascii", "replace").strip())
    except InvalidKey as error:
        raise Misconfigured(f"The key file {path} does not hold the key of a witness.") from error
    if name not in (None, key.name):
        raise Misconfigured(f"This witness is called {key.name}, not {name}: a witness keeps its name.")
    if not (folder / VKEY).exists():
        private_files.replace(folder / VKEY, f"{key.vkey}\n".encode(), mode=_PUBLIC)
    return key


def publish_cosigned(folder: Path, origin: str, record: Record) -> Path:
    """Writes the newest cosigned checkpoint of a log into a file of its own, to be shown to others."""
    # An origin looks like a path, and may be anything.
    place = folder / COSIGNED / quote(origin, safe="")
    place.parent.mkdir(exist_ok=True)
    private_files.replace(place, str(record.note).encode(), mode=_PUBLIC)
    return place


def keep_evidence(folder: Path, fork: Fork) -> Path:
    """Keeps both checkpoints of a fork, as they were signed; returns the folder they are in."""
    notes = {"before.checkpoint": str(fork.before), "after.checkpoint": str(fork.after)}
    name = hashlib.sha256("\0".join(notes.values()).encode()).hexdigest()[:32]
    place = folder / EVIDENCE / name
    place.mkdir(parents=True, exist_ok=True)
    for file, note in notes.items():
        private_files.replace(place / file, note.encode(), mode=_PUBLIC)
    return place
