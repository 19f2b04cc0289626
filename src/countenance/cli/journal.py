"""What became of each photo that `index` worked on, so that a run that was killed goes on where it was.

The journal is a convenience and no truth: it is written after the database, and a photo whose entry was lost is indexed
again, which gives the same FaceIds. It names no file: its keys are digests of what was indexed, and how.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

# Another `index` may be writing: its entries take microseconds.
TURN_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Unindexed:
    """A face that was found and not enrolled: why, and where (left, top, width, height in ratios)."""

    reasons: Sequence[str]
    bounding_box: Sequence[float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one photo. `refused` is the code of the error when it could not be worked on at all."""

    faces: int = 0
    unindexed: Sequence[Unindexed] = ()
    refused: str | None = None
    message: str | None = None


class Journal:
    """Outcomes by key, in a file of their own. For one thread."""

    def __init__(self, path: Path) -> None:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._connection = sqlite3.connect(path, timeout=TURN_TIMEOUT_SECONDS, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        # Survives a kill; a power cut may take the last entries, and then those photos are indexed again.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS outcomes (key BLOB PRIMARY KEY, outcome TEXT) WITHOUT ROWID"
        )

    def find(self, key: bytes) -> Outcome | None:
        """What became of it; None when it was not worked on yet."""
        row = self._connection.execute("SELECT outcome FROM outcomes WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        content = json.loads(row[0])
        return Outcome(**{**content, "unindexed": [Unindexed(**one) for one in content["unindexed"]]})

    def record(self, key: bytes, outcome: Outcome) -> None:
        """Keep what became of it."""
        self._connection.execute(
            "INSERT OR REPLACE INTO outcomes VALUES (?, ?)", (key, json.dumps(asdict(outcome), separators=(",", ":")))
        )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def key_of(*facts: object) -> bytes:
    """The key of a piece of work that these facts describe completely."""
    return hashlib.sha256(json.dumps([str(fact) for fact in facts]).encode("utf-8", "surrogatepass")).digest()
