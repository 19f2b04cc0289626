"""Who acts for whom, under which authorization and policy; what must be reviewed, and what must go in time."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

key = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# What PostgreSQL keeps of columns that are added to tables that were there.
COMMENTS = {
    "collections.uid": "What the ledger knows it by.",
    "collections.purposes": "Those it was made for, space-separated; empty: for any.",
    "collections.owner_key": "Null: made before there were owners.",
    "organizations.uid": "What the ledger knows it by.",
    "organizations.jurisdiction": "ISO 3166, such as US-WA; empty: none declared.",
    "principals.uid": "What the ledger knows them by.",
    "principals.roles": "Roles they may assume, space-separated; the first is their own.",
    "access_keys.purpose": "What it is used for where a session says nothing else.",
    'access_keys."authorization"': "The uid of the authorization it is used under by default.",
    "access_keys.beneficiary_key": "On whose behalf; null: the holder itself.",
}


def upgrade() -> None:
    # Columns come with a default, since SQLite adds none without one that may not be null, and rebuilding a table that
    # others refer to would break what refers to it.
    _add("organizations", "kind VARCHAR(32) NOT NULL DEFAULT 'undeclared'")
    _add("organizations", "jurisdiction VARCHAR(64) NOT NULL DEFAULT ''")
    _add("organizations", "suspended BOOLEAN NOT NULL DEFAULT FALSE")
    _add("principals", "roles TEXT NOT NULL DEFAULT 'examiner'")
    _add("principals", f"trained_until {_double()} NOT NULL DEFAULT 0")
    _add("principals", "suspended BOOLEAN NOT NULL DEFAULT FALSE")
    _add("collections", "sensitivity VARCHAR(32) NOT NULL DEFAULT 'general'")
    _add("collections", "purposes TEXT NOT NULL DEFAULT ''")
    _refer("collections", "owner_key", "organizations")
    _add("access_keys", "purpose VARCHAR(32) NOT NULL DEFAULT 'photo_library'")
    _add("access_keys", '"authorization" VARCHAR(34)')
    _refer("access_keys", "beneficiary_key", "organizations")
    for table, letter in (("organizations", "o"), ("principals", "p"), ("collections", "c")):
        _identify(table, letter)
    # The organization of the first start runs the server; whatever else was entered has declared nothing yet.
    op.execute("UPDATE organizations SET kind = 'operator' WHERE name = 'operator'")
    if op.get_bind().dialect.name == "postgresql":
        for column, comment in COMMENTS.items():
            op.execute(f"COMMENT ON COLUMN {column} IS '{comment}'")
    _create_authorizations()
    _create_reviews()
    op.create_table(
        "salts",
        sa.Column("key", key, autoincrement=True, nullable=False),
        sa.Column("subject", sa.String(160), nullable=False),
        sa.Column(
            "salt", sa.LargeBinary, nullable=False, comment="Zeroed in place when destroyed: rows that go leave copies."
        ),
        sa.PrimaryKeyConstraint("key", name="pk_salts"),
        sa.UniqueConstraint("subject", name="uq_salts_subject"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "policy_sets",
        sa.Column("key", key, autoincrement=True, nullable=False),
        sa.Column("uid", sa.String(34), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer, comment="Of those that came into force; the highest is."),
        sa.Column("content", sa.Text, nullable=False, comment="Packs and moratoria, JSON."),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("changes", sa.Text, nullable=False, comment="Sentences, one a line."),
        sa.Column("proposer_key", key),
        sa.Column("approver_key", key),
        sa.Column("proposed_at", sa.Double, nullable=False),
        sa.Column("decided_at", sa.Double),
        sa.PrimaryKeyConstraint("key", name="pk_policy_sets"),
        sa.UniqueConstraint("uid", name="uq_policy_sets_uid"),
        sa.UniqueConstraint("version", name="uq_policy_sets_version"),
        sa.ForeignKeyConstraint(["proposer_key"], ["principals.key"], name="fk_policy_sets_proposer_key"),
        sa.ForeignKeyConstraint(["approver_key"], ["principals.key"], name="fk_policy_sets_approver_key"),
        sqlite_autoincrement=True,
    )


def _add(table: str, column: str) -> None:
    op.execute(f"ALTER TABLE {table} ADD COLUMN {column}")


def _refer(table: str, column: str, to: str) -> None:
    number = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    _add(table, f"{column} {number} CONSTRAINT fk_{table}_{column} REFERENCES {to} (key)")


def _double() -> str:
    return "DOUBLE" if op.get_bind().dialect.name == "sqlite" else "DOUBLE PRECISION"


def _identify(table: str, letter: str) -> None:
    """Give every row a uid of its own."""
    _add(table, "uid VARCHAR(34) NOT NULL DEFAULT ''")
    rows = sa.table(table, sa.column("key"), sa.column("uid"))
    bind = op.get_bind()
    for (row,) in bind.execute(sa.select(rows.c.key)).all():
        uid = f"{letter}-{secrets.token_hex(16)}"
        bind.execute(sa.update(rows).where(rows.c.key == row).values(uid=uid))
    op.create_index(f"ix_{table}_uid", table, ["uid"], unique=True)


def _create_authorizations() -> None:
    op.create_table(
        "authorizations",
        sa.Column("key", key, autoincrement=True, nullable=False),
        sa.Column("uid", sa.String(34), nullable=False),
        sa.Column("basis", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("case_reference", sa.String(255), nullable=False),
        sa.Column("offence", sa.String(32)),
        sa.Column("targeted", sa.Boolean, nullable=False),
        sa.Column("organization_key", key, nullable=False),
        sa.Column("requester_key", key, nullable=False),
        sa.Column("beneficiary_key", key, nullable=False),
        sa.Column("collections", sa.Text, nullable=False, comment="Their uids, space-separated; empty: any."),
        sa.Column("issued_at", sa.Double, nullable=False),
        sa.Column("valid_from", sa.Double, nullable=False),
        sa.Column("valid_until", sa.Double, nullable=False),
        sa.Column("deadline", sa.Double, comment="By when an emergency must be approved; null: no emergency."),
        sa.Column("overdue", sa.Boolean, nullable=False, comment="The ledger says that the deadline passed."),
        sa.Column("approvals_needed", sa.Integer, nullable=False),
        sa.Column("max_uses", sa.Integer),
        sa.Column("uses", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_authorizations"),
        sa.UniqueConstraint("uid", name="uq_authorizations_uid"),
        sa.ForeignKeyConstraint(["organization_key"], ["organizations.key"], name="fk_authorizations_organization_key"),
        sa.ForeignKeyConstraint(["requester_key"], ["principals.key"], name="fk_authorizations_requester_key"),
        sa.ForeignKeyConstraint(["beneficiary_key"], ["organizations.key"], name="fk_authorizations_beneficiary_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_authorizations_requester_key", "authorizations", ["requester_key"])
    op.create_table(
        "approvals",
        sa.Column("authorization_key", key, nullable=False),
        sa.Column("principal_key", key, nullable=False),
        sa.Column("approved", sa.Boolean, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("authorization_key", "principal_key", name="pk_approvals"),
        sa.ForeignKeyConstraint(["authorization_key"], ["authorizations.key"], name="fk_approvals_authorization_key"),
        sa.ForeignKeyConstraint(["principal_key"], ["principals.key"], name="fk_approvals_principal_key"),
    )
    op.create_table(
        "limited_faces",
        sa.Column("face_key", key, autoincrement=False, nullable=False),
        sa.Column("authorization", sa.String(34), comment="Erased when this is refused; null: under none."),
        sa.Column("due_at", sa.Double, comment="Erased then; null: no such time."),
        sa.PrimaryKeyConstraint("face_key", name="pk_limited_faces"),
    )
    op.create_index("ix_limited_faces_authorization", "limited_faces", ["authorization"])
    op.create_index("ix_limited_faces_due_at", "limited_faces", ["due_at"])


def _create_reviews() -> None:
    op.create_table(
        "review_cases",
        sa.Column("key", key, autoincrement=True, nullable=False),
        sa.Column("uid", sa.String(34), nullable=False),
        sa.Column("use", sa.String(34), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column(
            "required", sa.Integer, nullable=False, comment="People who must confirm, each without seeing the others."
        ),
        sa.Column("requester_key", key, nullable=False),
        sa.Column("organization_key", key, nullable=False),
        sa.Column("authorization", sa.String(34)),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double, comment="Erased then; null: no such time."),
        sa.PrimaryKeyConstraint("key", name="pk_review_cases"),
        sa.UniqueConstraint("uid", name="uq_review_cases_uid"),
        sa.ForeignKeyConstraint(["requester_key"], ["principals.key"], name="fk_review_cases_requester_key"),
        sa.ForeignKeyConstraint(["organization_key"], ["organizations.key"], name="fk_review_cases_organization_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_review_cases_authorization", "review_cases", ["authorization"])
    op.create_index("ix_review_cases_due_at", "review_cases", ["due_at"])
    op.create_table(
        "review_candidates",
        sa.Column("case_key", key, nullable=False),
        sa.Column("place", sa.Integer, nullable=False, comment="By descending Similarity, from 0."),
        sa.Column("similarity", sa.Double, nullable=False),
        sa.Column("subject", sa.Text, nullable=False, comment="The candidate as the answer would have named it, JSON."),
        sa.PrimaryKeyConstraint("case_key", "place", name="pk_review_candidates"),
        sa.ForeignKeyConstraint(["case_key"], ["review_cases.key"], name="fk_review_candidates_case_key"),
    )
    op.create_table(
        "review_verdicts",
        sa.Column("case_key", key, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("principal_key", key, nullable=False),
        sa.Column("confirmed", sa.Boolean, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("case_key", "place", "principal_key", name="pk_review_verdicts"),
        sa.ForeignKeyConstraint(["case_key"], ["review_cases.key"], name="fk_review_verdicts_case_key"),
        sa.ForeignKeyConstraint(["principal_key"], ["principals.key"], name="fk_review_verdicts_principal_key"),
    )
