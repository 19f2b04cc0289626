"""Sets of tables, each with a history of its own: the gallery's, and the ledger's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import MetaData


@dataclass(frozen=True, slots=True)
class Tables:
    """What `Database` must know of the tables it keeps. Two sets may share a PostgreSQL database, not a SQLite file.

    `migrations` is the folder of their alembic revisions and `version_table` where alembic notes the one they are at.
    `writers_lock` is the advisory lock by which their writers take turns on PostgreSQL, apart from other sets'.
    `erasable` are the tables from which something is deleted that must not stay behind in their files.
    `sqlite_page_bytes` is the size of a page in a new SQLite file, and the largest that an old one may have.
    """

    metadata: MetaData
    migrations: Path
    version_table: str
    writers_lock: int
    erasable: tuple[str, ...]
    sqlite_page_bytes: int
