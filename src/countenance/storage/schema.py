"""The tables. The database is the truth; the search index is projected from `faces`, `users` and `changes`.

Templates are packed by `storage.templates`. Times are UTC seconds since the epoch. Keys are never used twice, so
that whoever follows `changes` cannot take a new row for an old one.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from countenance.storage.templates import PackedTemplate

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only for a plain INTEGER key; PostgreSQL needs 64 bits.
Key = BigInteger().with_variant(Integer, "sqlite")

collections = Table(
    "collections",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("collection_id", String(255), nullable=False, unique=True),
    Column("face_model_version", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("face_count", Key, nullable=False, comment="Kept with every change: counting millions of rows is slow."),
    Column("user_count", Key, nullable=False),
    sqlite_autoincrement=True,
)

users = Table(
    "users",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("collection_key", ForeignKey("collections.key"), nullable=False),
    Column("user_id", String(128), nullable=False),
    Column("template", PackedTemplate, comment="Aggregate of the user's faces; null while there is none."),
    UniqueConstraint("collection_key", "user_id"),
    Index(None, "collection_key", "key"),
    sqlite_autoincrement=True,
)

faces = Table(
    "faces",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("collection_key", ForeignKey("collections.key"), nullable=False),
    Column("face_id", String(36), nullable=False),
    Column("image_id", String(36), nullable=False),
    Column("external_image_id", String(255)),
    Column("box_left", Double, nullable=False),
    Column("box_top", Double, nullable=False),
    Column("box_width", Double, nullable=False),
    Column("box_height", Double, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("face_model_version", String(64), nullable=False),
    Column("user_key", ForeignKey("users.key")),
    Column("template", PackedTemplate, nullable=False),
    UniqueConstraint("collection_key", "face_id"),
    Index(None, "collection_key", "key"),
    Index(None, "image_id"),
    Index(None, "user_key"),
    sqlite_autoincrement=True,
)

changes = Table(
    "changes",
    metadata,
    Column("seq", Key, primary_key=True, autoincrement=True, comment="In commit order: writers take turns."),
    Column("collection_key", Key, nullable=False),
    Column("face_key", Key, comment="The face put or dropped; null when the change is to a user or a collection."),
    Column("user_key", Key, comment="The user put or dropped; null when the change is to a face or a collection."),
    Column("at", Double, nullable=False),
    sqlite_autoincrement=True,
)

tags = Table(
    "tags",
    metadata,
    Column("collection_key", ForeignKey("collections.key"), primary_key=True),
    Column("tag_key", String(128), primary_key=True),
    Column("tag_value", String(256), nullable=False),
)

request_tokens = Table(
    "request_tokens",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("operation", String(64), primary_key=True),
    Column("collection_key", ForeignKey("collections.key"), nullable=False, index=True),
    Column("parameters", String(64), nullable=False, comment="SHA-256 of the canonical parameters, in hex."),
    Column("answer", Text, nullable=False, comment="The answer to replay, as JSON."),
    Column("expires_at", Double, nullable=False, index=True),
)

organizations = Table(
    "organizations",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("name", String(255), nullable=False, unique=True),
    sqlite_autoincrement=True,
)

principals = Table(
    "principals",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("organization_key", ForeignKey("organizations.key"), nullable=False),
    Column("name", String(255), nullable=False),
    UniqueConstraint("organization_key", "name"),
    sqlite_autoincrement=True,
)

access_keys = Table(
    "access_keys",
    metadata,
    Column("access_key_id", String(32), primary_key=True),
    Column("principal_key", ForeignKey("principals.key"), nullable=False),
    Column("sealed_secret", LargeBinary, nullable=False, comment="AES-256-GCM: nonce || ciphertext."),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
)
