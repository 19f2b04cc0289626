"""The tables. The database is the truth; the search index is projected from `faces`, `users` and `changes`.

Templates are packed by `storage.templates`. Times are UTC seconds since the epoch. Keys are never used twice, so
that whoever follows `changes` cannot take a new row for an old one.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
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
    Column("uid", String(34), nullable=False, comment="What the ledger knows it by."),
    Column("sensitivity", String(32), nullable=False),
    Column("purposes", Text, nullable=False, comment="Those it was made for, space-separated; empty: for any."),
    Column("owner_key", ForeignKey("organizations.key"), comment="Null: made before there were owners."),
    Index(None, "uid", unique=True),
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
    Column("uid", String(34), nullable=False, comment="What the ledger knows it by."),
    Column("kind", String(32), nullable=False),
    Column("jurisdiction", String(64), nullable=False, comment="ISO 3166, such as US-WA; empty: none declared."),
    Column("suspended", Boolean, nullable=False),
    Index(None, "uid", unique=True),
    sqlite_autoincrement=True,
)

principals = Table(
    "principals",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("organization_key", ForeignKey("organizations.key"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("uid", String(34), nullable=False, comment="What the ledger knows them by."),
    Column("roles", Text, nullable=False, comment="Roles they may assume, space-separated; the first is their own."),
    Column("trained_until", Double, nullable=False),
    Column("suspended", Boolean, nullable=False),
    UniqueConstraint("organization_key", "name"),
    Index(None, "uid", unique=True),
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
    Column("purpose", String(32), nullable=False, comment="What it is used for where a session says nothing else."),
    Column("authorization", String(34), comment="The uid of the authorization it is used under by default."),
    Column("beneficiary_key", ForeignKey("organizations.key"), comment="On whose behalf; null: the holder itself."),
)

authorizations = Table(
    "authorizations",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("uid", String(34), nullable=False, unique=True),
    Column("basis", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("case_reference", String(255), nullable=False),
    Column("offence", String(32)),
    Column("targeted", Boolean, nullable=False),
    Column("organization_key", ForeignKey("organizations.key"), nullable=False),
    Column("requester_key", ForeignKey("principals.key"), nullable=False),
    Column("beneficiary_key", ForeignKey("organizations.key"), nullable=False),
    Column("collections", Text, nullable=False, comment="Their uids, space-separated; empty: any."),
    Column("issued_at", Double, nullable=False),
    Column("valid_from", Double, nullable=False),
    Column("valid_until", Double, nullable=False),
    Column("deadline", Double, comment="By when an emergency must be approved; null: no emergency."),
    Column("overdue", Boolean, nullable=False, comment="The ledger says that the deadline passed."),
    Column("approvals_needed", Integer, nullable=False),
    Column("max_uses", Integer),
    Column("uses", Integer, nullable=False),
    Index(None, "requester_key"),
    sqlite_autoincrement=True,
)

approvals = Table(
    "approvals",
    metadata,
    Column("authorization_key", ForeignKey("authorizations.key"), primary_key=True),
    Column("principal_key", ForeignKey("principals.key"), primary_key=True),
    Column("approved", Boolean, nullable=False),
    Column("at", Double, nullable=False),
)

limited_faces = Table(
    "limited_faces",
    metadata,
    Column("face_key", Key, primary_key=True, autoincrement=False),
    Column("authorization", String(34), index=True, comment="Erased when this is refused; null: under none."),
    Column("due_at", Double, index=True, comment="Erased then; null: no such time."),
)

review_cases = Table(
    "review_cases",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("uid", String(34), nullable=False, unique=True),
    Column("use", String(34), nullable=False),
    Column("action", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("required", Integer, nullable=False, comment="People who must confirm, each without seeing the others."),
    Column("requester_key", ForeignKey("principals.key"), nullable=False),
    Column("organization_key", ForeignKey("organizations.key"), nullable=False),
    Column("authorization", String(34), index=True),
    Column("opened_at", Double, nullable=False),
    Column("due_at", Double, index=True, comment="Erased then; null: no such time."),
    sqlite_autoincrement=True,
)

review_candidates = Table(
    "review_candidates",
    metadata,
    Column("case_key", ForeignKey("review_cases.key"), primary_key=True),
    Column("place", Integer, primary_key=True, comment="By descending Similarity, from 0."),
    Column("similarity", Double, nullable=False),
    Column("subject", Text, nullable=False, comment="The candidate as the answer would have named it, JSON."),
)

review_verdicts = Table(
    "review_verdicts",
    metadata,
    Column("case_key", ForeignKey("review_cases.key"), primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("principal_key", ForeignKey("principals.key"), primary_key=True),
    Column("confirmed", Boolean, nullable=False),
    Column("at", Double, nullable=False),
)

salts = Table(
    "salts",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("subject", String(160), nullable=False, unique=True),
    Column("salt", LargeBinary, nullable=False, comment="Zeroed in place when destroyed: rows that go leave copies."),
    sqlite_autoincrement=True,
)

policy_sets = Table(
    "policy_sets",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("uid", String(34), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("version", Integer, unique=True, comment="Of those that came into force; the highest is."),
    Column("content", Text, nullable=False, comment="Packs and moratoria, JSON."),
    Column("sha256", String(64), nullable=False),
    Column("changes", Text, nullable=False, comment="Sentences, one a line."),
    Column("proposer_key", ForeignKey("principals.key")),
    Column("approver_key", ForeignKey("principals.key")),
    Column("proposed_at", Double, nullable=False),
    Column("decided_at", Double),
    sqlite_autoincrement=True,
)

qualifications = Table(
    "qualifications",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("uid", String(34), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("face_model_version", String(64), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("threshold", Double, nullable=False),
    Column("report", String(64), nullable=False, comment="SHA-256 of its JSON."),
    Column("reasons", Text, nullable=False, comment="Why it did not pass, one a line; empty: it did."),
    Column("judged_at", Double, nullable=False),
    Column("judge_key", ForeignKey("principals.key"), nullable=False),
    Column("valid_until", Double),
    Column("statement", Text, comment="Signed note; null: none was made."),
    Column("entry", Key, comment="Index of the ledger's entry that announces the statement."),
    sqlite_autoincrement=True,
)

video_jobs = Table(
    "video_jobs",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("job_id", String(64), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("organization_key", ForeignKey("organizations.key"), nullable=False),
    Column("principal_key", ForeignKey("principals.key"), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("authorization", String(34)),
    Column("beneficiary", String(34), comment="Uid of the organization it is for; null: the one that asked."),
    Column("use", String(34), nullable=False, comment="What the ledger knows it by."),
    Column("request_token", String(64)),
    Column("parameters", String(64), nullable=False, comment="SHA-256 of the canonical parameters, in hex."),
    Column("bucket", String(255), nullable=False),
    Column("object_name", Text, nullable=False),
    Column("object_version", Text),
    Column("object_tag", Text, comment="The store's tag of what was there when the job was asked for."),
    Column("job_tag", Text),
    Column("topic", Text, comment="ARN of the topic that is told when the job is over."),
    Column("attributes", String(16), nullable=False),
    Column("collection_id", String(255)),
    Column("collection_uid", String(34)),
    Column("threshold", Double),
    Column("match_limit", Integer, comment="Faces that one person may be like, at most."),
    Column("state", String(16), nullable=False),
    Column("failure", String(64), comment="Code of the error that ended it."),
    Column("message", Text),
    Column("metadata", Text, comment="What the file says of itself, JSON."),
    Column("digest", String(64), comment="SHA-256 of the file, while the job is under way."),
    Column("reached_ms", Key, nullable=False, comment="Everything before this time of the video is done."),
    Column("progress", LargeBinary, comment="What the next segment needs, sealed; null when the job is over."),
    Column("created_at", Double, nullable=False),
    Column("finished_at", Double),
    Column("recorded", Boolean, nullable=False, comment="The ledger has what it came to: only then it is answered."),
    Column("worker", String(32), comment="Who works on it."),
    Column("leased_until", Double, nullable=False, comment="Until when nobody else takes it up."),
    Column("attempts", Integer, nullable=False, comment="How often it was taken up since it last came further."),
    UniqueConstraint("organization_key", "kind", "request_token"),
    Index(None, "recorded", "leased_until"),
    sqlite_autoincrement=True,
)

video_faces = Table(
    "video_faces",
    metadata,
    Column("job_key", ForeignKey("video_jobs.key"), primary_key=True),
    Column("place", Key, primary_key=True, autoincrement=False, comment="By time, from 0."),
    Column("timestamp_ms", Key, nullable=False),
    Column("person", Key, comment="Index of the person; null where faces are not tracked."),
    Column("detail", Text, nullable=False, comment="What is said of the face, JSON."),
)

video_matches = Table(
    "video_matches",
    metadata,
    Column("job_key", ForeignKey("video_jobs.key"), primary_key=True),
    Column("person", Key, primary_key=True, autoincrement=False),
    Column("face_key", Key, primary_key=True, autoincrement=False),
    Column("similarity", Double, nullable=False),
)

video_notices = Table(
    "video_notices",
    metadata,
    Column("key", Key, primary_key=True, autoincrement=True),
    Column("job_key", ForeignKey("video_jobs.key"), nullable=False, index=True),
    Column("topic", Text, comment="ARN of the topic; null: the webhook of the settings."),
    Column("due_at", Double, nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    sqlite_autoincrement=True,
)
