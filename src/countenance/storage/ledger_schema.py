"""The ledger's tables, in a file or under a lock of their own: a long import must not hold up the log.

`ledger_state` is one row, changed in the transaction that adds entries, so that a signed checkpoint covers exactly what
is committed. Times are UTC milliseconds since the epoch, as entries have them.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, MetaData, String, Table, Text

from countenance.storage.tables import Tables

# The id of the one row of the state.
STATE = 1

# Entries have some 500 bytes: a page of SQLite's usual size takes several.
SQLITE_PAGE_BYTES = 4096

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only for a plain INTEGER key; PostgreSQL needs 64 bits.
Key = BigInteger().with_variant(Integer, "sqlite")

entries = Table(
    "ledger_entries",
    metadata,
    Column("leaf_index", Key, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary, nullable=False, comment="The bytes of the entry: canonical JSON."),
    Column("leaf_hash", LargeBinary, nullable=False, comment="SHA-256 of a zero byte and the leaf (RFC 9162)."),
    Column("at", BigInteger, nullable=False),
)

state = Table(
    "ledger_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("tree", LargeBinary, nullable=False, comment="The size and the roots of the complete subtrees."),
    Column("at", BigInteger, nullable=False, comment="Of the last entry."),
    Column("checkpoint", Text, nullable=False, comment="Of this size, as a note signed by the log's key."),
    Column("published", Boolean, nullable=False, comment="A checkpoint was published: it must be there from then on."),
)

open_uses = Table(
    "ledger_open_uses",
    metadata,
    Column("use", String(34), primary_key=True),
    Column("leaf_index", BigInteger, nullable=False, comment="Of the intent."),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,  # one tree to change instead of two, twice for every use
)

salts = Table(
    "ledger_salts",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("use", String(34), nullable=False, unique=True),
    Column("salt", LargeBinary, nullable=False, comment="Zeroed in place when destroyed: rows that go leave copies."),
)

cosignatures = Table(
    "ledger_cosignatures",
    metadata,
    Column("witness", String(255), primary_key=True, comment="The name of its key."),
    Column("size", BigInteger, nullable=False, comment="Of the newest checkpoint it cosigned."),
    Column("at", BigInteger, nullable=False),
    Column("checkpoint", Text, nullable=False, comment="That checkpoint, as the note the log signed."),
    Column("line", Text, nullable=False, comment="The witness's line under it."),
)

LEDGER = Tables(
    metadata=metadata,
    migrations=Path(__file__).parent / "ledger_migrations",
    version_table="ledger_alembic_version",
    writers_lock=0x6C6564676572,  # "ledger" in ASCII
    erasable=("ledger_salts",),
    sqlite_page_bytes=SQLITE_PAGE_BYTES,
)
