"""The first tables: entries, the state they are in, uses that are open, salts, and what witnesses cosigned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Written out rather than imported from the schema: a migration does not change when the schema does.
key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("leaf_index", key, autoincrement=False, nullable=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False, comment="The bytes of the entry: canonical JSON."),
        sa.Column(
            "leaf_hash", sa.LargeBinary, nullable=False, comment="SHA-256 of a zero byte and the leaf (RFC 9162)."
        ),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("leaf_index", name="pk_ledger_entries"),
    )
    op.create_table(
        "ledger_state",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("tree", sa.LargeBinary, nullable=False, comment="The size and the roots of the complete subtrees."),
        sa.Column("at", sa.BigInteger, nullable=False, comment="Of the last entry."),
        sa.Column("checkpoint", sa.Text, nullable=False, comment="Of this size, as a note signed by the log's key."),
        sa.Column(
            "published",
            sa.Boolean,
            nullable=False,
            comment="A checkpoint was published: it must be there from then on.",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_state"),
    )
    op.create_table(
        "ledger_open_uses",
        sa.Column("use", sa.String(34), nullable=False),
        sa.Column("leaf_index", sa.BigInteger, nullable=False, comment="Of the intent."),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("use", name="pk_ledger_open_uses"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger_salts",
        sa.Column("key", key, autoincrement=True, nullable=False),
        sa.Column("use", sa.String(34), nullable=False),
        sa.Column(
            "salt", sa.LargeBinary, nullable=False, comment="Zeroed in place when destroyed: rows that go leave copies."
        ),
        sa.PrimaryKeyConstraint("key", name="pk_ledger_salts"),
        sa.UniqueConstraint("use", name="uq_ledger_salts_use"),
    )
    op.create_table(
        "ledger_cosignatures",
        sa.Column("witness", sa.String(255), nullable=False, comment="The name of its key."),
        sa.Column("size", sa.BigInteger, nullable=False, comment="Of the newest checkpoint it cosigned."),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("checkpoint", sa.Text, nullable=False, comment="That checkpoint, as the note the log signed."),
        sa.Column("line", sa.Text, nullable=False, comment="The witness's line under it."),
        sa.PrimaryKeyConstraint("witness", name="pk_ledger_cosignatures"),
    )
