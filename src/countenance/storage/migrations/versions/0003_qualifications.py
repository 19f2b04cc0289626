"""Which face models may serve which purposes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "qualifications",
        sa.Column("key", key, autoincrement=True, nullable=False),
        sa.Column("uid", sa.String(34), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("face_model_version", sa.String(64), nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("threshold", sa.Double, nullable=False),
        sa.Column("report", sa.String(64), nullable=False, comment="SHA-256 of its JSON."),
        sa.Column("reasons", sa.Text, nullable=False, comment="Why it did not pass, one a line; empty: it did."),
        sa.Column("judged_at", sa.Double, nullable=False),
        sa.Column("judge_key", key, nullable=False),
        sa.Column("valid_until", sa.Double),
        sa.Column("statement", sa.Text, comment="Signed note; null: none was made."),
        sa.Column("entry", key, comment="Index of the ledger's entry that announces the statement."),
        sa.PrimaryKeyConstraint("key", name="pk_qualifications"),
        sa.UniqueConstraint("uid", name="uq_qualifications_uid"),
        sa.ForeignKeyConstraint(["judge_key"], ["principals.key"], name="fk_qualifications_judge_key"),
        sqlite_autoincrement=True,
    )
