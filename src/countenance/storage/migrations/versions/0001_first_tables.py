"""The first tables: galleries, who may call, and what was answered to repeatable requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Written out rather than imported from the schema: a migration does not change when the schema does.
key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "collections",
        sa.Column("key", key, autoincrement=True, nullable=False),
        sa.Column("collection_id", sa.String(255), nullable=False),
        sa.Column("face_model_version", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column(
            "face_count", key, nullable=False, comment="Kept with every change: counting millions of rows is slow."
        ),
        sa.Column("user_count", key, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_collections"),
        sa.UniqueConstraint("collection_id", name="uq_collections_collection_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "users",
        sa.Column("key", key, autoincrement=True, nullable=False),
        sa.Column("collection_key", key, nullable=False),
        sa.Column("user_id", sa.String(128), nullable=False),
        sa.Column("template", sa.LargeBinary, comment="Aggregate of the user's faces; null while there is none."),
        sa.PrimaryKeyConstraint("key", name="pk_users"),
        sa.ForeignKeyConstraint(["collection_key"], ["collections.key"], name="fk_users_collection_key"),
        sa.UniqueConstraint("collection_key", "user_id", name="uq_users_collection_key_user_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_users_collection_key_key", "users", ["collection_key", "key"])
    op.create_table(
        "faces",
        sa.Column("key", key, autoincrement=True, nullable=False),
        sa.Column("collection_key", key, nullable=False),
        sa.Column("face_id", sa.String(36), nullable=False),
        sa.Column("image_id", sa.String(36), nullable=False),
        sa.Column("external_image_id", sa.String(255)),
        sa.Column("box_left", sa.Double, nullable=False),
        sa.Column("box_top", sa.Double, nullable=False),
        sa.Column("box_width", sa.Double, nullable=False),
        sa.Column("box_height", sa.Double, nullable=False),
        sa.Column("confidence", sa.Double, nullable=False),
        sa.Column("face_model_version", sa.String(64), nullable=False),
        sa.Column("user_key", key),
        sa.Column("template", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_faces"),
        sa.ForeignKeyConstraint(["collection_key"], ["collections.key"], name="fk_faces_collection_key"),
        sa.ForeignKeyConstraint(["user_key"], ["users.key"], name="fk_faces_user_key"),
        sa.UniqueConstraint("collection_key", "face_id", name="uq_faces_collection_key_face_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_faces_collection_key_key", "faces", ["collection_key", "key"])
    op.create_index("ix_faces_image_id", "faces", ["image_id"])
    op.create_index("ix_faces_user_key", "faces", ["user_key"])
    op.create_table(
        "changes",
        sa.Column("seq", key, autoincrement=True, nullable=False, comment="In commit order: writers take turns."),
        sa.Column("collection_key", key, nullable=False),
        sa.Column(
            "face_key", key, comment="The face put or dropped; null when the change is to a user or a collection."
        ),
        sa.Column(
            "user_key", key, comment="The user put or dropped; null when the change is to a face or a collection."
        ),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_changes"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tags",
        sa.Column("collection_key", key, nullable=False),
        sa.Column("tag_key", sa.String(128), nullable=False),
        sa.Column("tag_value", sa.String(256), nullable=False),
        sa.PrimaryKeyConstraint("collection_key", "tag_key", name="pk_tags"),
        sa.ForeignKeyConstraint(["collection_key"], ["collections.key"], name="fk_tags_collection_key"),
    )
    op.create_table(
        "request_tokens",
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("operation", sa.String(64), nullable=False),
        sa.Column("collection_key", key, nullable=False),
        sa.Column("parameters", sa.String(64), nullable=False, comment="SHA-256 of the canonical parameters, in hex."),
        sa.Column("answer", sa.Text, nullable=False, comment="The answer to replay, as JSON."),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.ForeignKeyConstraint(["collection_key"], ["collections.key"], name="fk_request_tokens_collection_key"),
        sa.PrimaryKeyConstraint("token", "operation", name="pk_request_tokens"),
    )
    op.create_index("ix_request_tokens_collection_key", "request_tokens", ["collection_key"])
    op.create_index("ix_request_tokens_expires_at", "request_tokens", ["expires_at"])
    op.create_table(
        "organizations",
        sa.Column("key", key, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_organizations"),
        sa.UniqueConstraint("name", name="uq_organizations_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "principals",
        sa.Column("key", key, autoincrement=True, nullable=False),
        sa.Column("organization_key", key, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_principals"),
        sa.ForeignKeyConstraint(["organization_key"], ["organizations.key"], name="fk_principals_organization_key"),
        sa.UniqueConstraint("organization_key", "name", name="uq_principals_organization_key_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "access_keys",
        sa.Column("access_key_id", sa.String(32), nullable=False),
        sa.Column("principal_key", key, nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary, nullable=False, comment="AES-256-GCM: nonce || ciphertext."),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("revoked_at", sa.Double),
        sa.PrimaryKeyConstraint("access_key_id", name="pk_access_keys"),
        sa.ForeignKeyConstraint(["principal_key"], ["principals.key"], name="fk_access_keys_principal_key"),
    )
