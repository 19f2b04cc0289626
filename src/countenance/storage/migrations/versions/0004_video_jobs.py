"""Jobs on stored video: what was asked for, how far it is, and what was found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

key = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "video_jobs",
        sa.Column("key", key, autoincrement=True, nullable=False),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("organization_key", key, nullable=False),
        sa.Column("principal_key", key, nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("authorization", sa.String(34)),
        sa.Column("beneficiary", sa.String(34), comment="Uid of the organization it is for; null: the one that asked."),
        sa.Column("use", sa.String(34), nullable=False, comment="What the ledger knows it by."),
        sa.Column("request_token", sa.String(64)),
        sa.Column("parameters", sa.String(64), nullable=False, comment="SHA-256 of the canonical parameters, in hex."),
        sa.Column("bucket", sa.String(255), nullable=False),
        sa.Column("object_name", sa.Text, nullable=False),
        sa.Column("object_version", sa.Text),
        sa.Column("object_tag", sa.Text, comment="The store's tag of what was there when the job was asked for."),
        sa.Column("job_tag", sa.Text),
        sa.Column("topic", sa.Text, comment="ARN of the topic that is told when the job is over."),
        sa.Column("attributes", sa.String(16), nullable=False),
        sa.Column("collection_id", sa.String(255)),
        sa.Column("collection_uid", sa.String(34)),
        sa.Column("threshold", sa.Double),
        sa.Column("match_limit", sa.Integer, comment="Faces that one person may be like, at most."),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("failure", sa.String(64), comment="Code of the error that ended it."),
        sa.Column("message", sa.Text),
        sa.Column("metadata", sa.Text, comment="What the file says of itself, JSON."),
        sa.Column("digest", sa.String(64), comment="SHA-256 of the file, while the job is under way."),
        sa.Column("reached_ms", key, nullable=False, comment="Everything before this time of the video is done."),
        sa.Column(
            "progress",
            sa.LargeBinary,
            comment="What the next segment needs, sealed; null when the job is over.",
        ),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("finished_at", sa.Double),
        sa.Column(
            "recorded", sa.Boolean, nullable=False, comment="The ledger has what it came to: only then it is answered."
        ),
        sa.Column("worker", sa.String(32), comment="Who works on it."),
        sa.Column("leased_until", sa.Double, nullable=False, comment="Until when nobody else takes it up."),
        sa.Column(
            "attempts", sa.Integer, nullable=False, comment="How often it was taken up since it last came further."
        ),
        sa.PrimaryKeyConstraint("key", name="pk_video_jobs"),
        sa.UniqueConstraint("job_id", name="uq_video_jobs_job_id"),
        sa.UniqueConstraint(
            "organization_key", "kind", "request_token", name="uq_video_jobs_organization_key_kind_request_token"
        ),
        sa.ForeignKeyConstraint(["organization_key"], ["organizations.key"], name="fk_video_jobs_organization_key"),
        sa.ForeignKeyConstraint(["principal_key"], ["principals.key"], name="fk_video_jobs_principal_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_video_jobs_recorded_leased_until", "video_jobs", ["recorded", "leased_until"])
    op.create_table(
        "video_faces",
        sa.Column("job_key", key, nullable=False),
        sa.Column("place", key, autoincrement=False, nullable=False, comment="By time, from 0."),
        sa.Column("timestamp_ms", key, nullable=False),
        sa.Column("person", key, comment="Index of the person; null where faces are not tracked."),
        sa.Column("detail", sa.Text, nullable=False, comment="What is said of the face, JSON."),
        sa.PrimaryKeyConstraint("job_key", "place", name="pk_video_faces"),
        sa.ForeignKeyConstraint(["job_key"], ["video_jobs.key"], name="fk_video_faces_job_key"),
    )
    op.create_table(
        "video_matches",
        sa.Column("job_key", key, nullable=False),
        sa.Column("person", key, autoincrement=False, nullable=False),
        sa.Column("face_key", key, autoincrement=False, nullable=False),
        sa.Column("similarity", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("job_key", "person", "face_key", name="pk_video_matches"),
        sa.ForeignKeyConstraint(["job_key"], ["video_jobs.key"], name="fk_video_matches_job_key"),
    )
    op.create_table(
        "video_notices",
        sa.Column("key", key, autoincrement=True, nullable=False),
        sa.Column("job_key", key, nullable=False),
        sa.Column("topic", sa.Text, comment="ARN of the topic; null: the webhook of the settings."),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_video_notices"),
        sa.ForeignKeyConstraint(["job_key"], ["video_jobs.key"], name="fk_video_notices_job_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_video_notices_job_key", "video_notices", ["job_key"])
    op.create_index("ix_video_notices_due_at", "video_notices", ["due_at"])
