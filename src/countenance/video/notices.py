"""Notices that a job is over, to a topic or to the webhook: kept in the database until they are delivered."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select, update

from countenance.storage import schema
from countenance.storage.database import Database

# Seconds until the next try, after the first, the second and so on; after the last one nobody is told.
BACK_OFF_SECONDS = (2.0, 10.0, 60.0, 300.0, 1800.0, 7200.0)


@dataclass(frozen=True, slots=True)
class Notice:
    """Who is to be told of which job. `topic` is an ARN, None the webhook; `attempts` counts this one too."""

    key: int
    topic: str | None
    attempts: int
    job_id: str
    kind: str
    state: str
    job_tag: str | None
    bucket: str
    object_name: str
    finished_at: float


class Notices:
    """The notices of a database. Times are UTC seconds since the epoch. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, now: float) -> Notice | None:
        """One that is due, put off until it would be tried again; None when there is none."""
        notices, jobs = schema.video_notices, schema.video_jobs
        due = (
            select(
                notices.c.key,
                notices.c.topic,
                notices.c.attempts,
                jobs.c.job_id,
                jobs.c.kind,
                jobs.c.state,
                jobs.c.job_tag,
                jobs.c.bucket,
                jobs.c.object_name,
                jobs.c.finished_at,
            )
            .join_from(notices, jobs, notices.c.job_key == jobs.c.key)
            .where(notices.c.due_at <= now)
            .order_by(notices.c.due_at, notices.c.key)
            .limit(1)
        )
        with self._database.read() as connection:
            # Where nobody is to be told, writers are not held up.
            if connection.execute(due).first() is None:
                return None
        with self._database.write() as connection:
            row = connection.execute(due).one_or_none()
            if row is None:
                return None
            wait = BACK_OFF_SECONDS[min(row.attempts, len(BACK_OFF_SECONDS) - 1)]
            later = {"due_at": now + wait, "attempts": row.attempts + 1}
            connection.execute(update(notices).where(notices.c.key == row.key).values(later))
            return Notice(**{**row._mapping, "attempts": row.attempts + 1})

    def done(self, notice: Notice) -> None:
        """It was delivered, or is given up."""
        notices = schema.video_notices
        with self._database.write() as connection:
            connection.execute(delete(notices).where(notices.c.key == notice.key))
