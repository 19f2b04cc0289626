"""What was worked out already, so that a run that was stopped goes on where it was.

A file that only its owner can read: it may hold templates or scores of people. Nothing is written unless a file is
named. The journal is no truth: a key says completely what the work was, and what is not in it is worked out again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from countenance.errors import InvalidParameter

# Another run may be writing: an entry takes microseconds.
TURN_TIMEOUT_SECONDS = 30

# Of SQLite's header, what tells a journal of ours from any other database: "Ctnc".
APPLICATION_ID = 0x43746E63


class Journal:
    """Results by key, in a SQLite file. Any number of threads and processes may share it.

    Raises `InvalidParameter` for a file that is something else, is damaged, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, stat.S_IRUSR | stat.S_IWUSR))
        except OSError as error:
            raise InvalidParameter(f"{path} cannot be written: {error.strerror}.") from error
        new = path.stat().st_size == 0
        self._turn = threading.Lock()
        self._connection = sqlite3.connect(
            path, timeout=TURN_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            if not new and self._connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
                raise InvalidParameter(f"{path} is there and is no journal of this kind: name another file.")
            self._connection.execute("PRAGMA journal_mode=WAL")
            # Survives a kill; a power cut may take the last entries, and then that work is done again.
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
            self._connection.execute("CREATE TABLE IF NOT EXISTS results (key BLOB PRIMARY KEY, result BLOB)")
        except sqlite3.Error as error:
            self.close()
            raise InvalidParameter(f"{path} is there and is no journal of this kind: name another file.") from error
        except InvalidParameter:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def find(self, key: bytes) -> bytes | None:
        """What came of it; None when it was not worked on yet."""
        row = self._execute("SELECT result FROM results WHERE key = ?", key)
        return None if row is None else bytes(row[0])

    def record(self, key: bytes, result: bytes) -> None:
        """Keep what came of it."""
        self._execute("INSERT OR REPLACE INTO results VALUES (?, ?)", key, result)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _execute(self, statement: str, *values: bytes) -> tuple[bytes] | None:
        try:
            with self._turn:
                row: tuple[bytes] | None = self._connection.execute(statement, values).fetchone()
                return row
        except sqlite3.Error as error:
            raise InvalidParameter(f"{self._path} cannot be used ({error}): name another file.") from error


def key_of(*facts: object) -> bytes:
    """The key of a piece of work that these facts describe completely."""
    return hashlib.sha256(json.dumps([str(fact) for fact in facts]).encode("utf-8", "surrogatepass")).digest()
