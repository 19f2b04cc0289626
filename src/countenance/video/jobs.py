"""Jobs on stored video: a queue in the database, so that what one server began another can finish.

    asked for ──► claimed under a lease ──► segment by segment ──► over ──► recorded in the ledger ──► forgotten

The results of a segment are committed together with how far the job is. Whoever claims a job whose lease ran out goes
on there, and repeats a segment at most. A job that is over is shown as such once the ledger has what it came to.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from countenance.errors import CountenanceError, IdempotentParameterMismatch, LimitExceeded
from countenance.storage import schema
from countenance.storage.database import Database
from countenance.storage.principals import Principal, select_principals, to_principal
from countenance.video.results import MatchedFace, SeenFace, keep, number_of_faces

# Rekognition's limits: jobs of one account that are under way at once, and how long results can be asked for.
MAX_OPEN_JOBS = 20
RETENTION_SECONDS = 7 * 24 * 3600

# How long a job is left to a worker that does not say it is at work.
LEASE_SECONDS = 60.0
# How often a job is taken up without coming further: a file that kills whoever reads it must not be tried for ever.
MAX_ATTEMPTS = 3


class JobKind(StrEnum):
    """What is done with a video, as Rekognition names it behind Start and Get."""

    FACE_DETECTION = "FaceDetection"
    FACE_SEARCH = "FaceSearch"
    PERSON_TRACKING = "PersonTracking"


class JobState(StrEnum):
    """Rekognition's VideoJobStatus."""

    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class LeaseLost(CountenanceError):
    """Somebody else works on this job by now."""

    code = "LeaseLost"


@dataclass(frozen=True, slots=True)
class NewJob:
    """What is asked for. `use` is what the ledger knows it by; `beneficiary` and `authorization` are uids."""

    kind: JobKind
    principal: Principal
    purpose: str
    use: str
    bucket: str
    object_name: str
    object_version: str | None = None
    authorization: str | None = None
    beneficiary: str | None = None
    job_tag: str | None = None
    topic: str | None = None
    attributes: str = "DEFAULT"
    collection_id: str | None = None
    collection_uid: str | None = None
    threshold: float | None = None
    match_limit: int = 0


@dataclass(frozen=True, slots=True)
class Job(NewJob):
    """A job as it stood when it was read. Times are UTC seconds since the epoch, `reached_ms` is of the video.

    `metadata` is what the file says of itself, once it was opened; `progress` what the next segment needs.
    """

    key: int = 0
    job_id: str = ""
    object_tag: str | None = None
    state: JobState = JobState.IN_PROGRESS
    failure: str | None = None
    message: str | None = None
    metadata: Mapping[str, Any] | None = None
    digest: str | None = None
    reached_ms: int = 0
    progress: bytes | None = None
    created_at: float = 0.0
    finished_at: float | None = None
    recorded: bool = False
    attempts: int = 0


class Jobs:
    """The jobs of a database. Every method takes the server's time, `now`, in UTC seconds. Safe between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def started(self, organization_key: int, kind: JobKind, token: str | None, parameters: str) -> str | None:
        """The job that a ClientRequestToken has begun already.

        Raises IdempotentParameterMismatch when it came with other parameters.
        """
        if token is None:
            return None
        with self._database.read() as connection:
            return _started(connection, organization_key, kind, token, parameters)

    def start(
        self, new: NewJob, now: float, *, token: str | None, parameters: str, object_tag: str | None
    ) -> tuple[str, bool]:
        """The JobId, and whether the job is a new one: not where the token has begun it already.

        Raises IdempotentParameterMismatch, and LimitExceeded when the organization has as many under way as it may.
        """
        jobs, organization = schema.video_jobs, new.principal.organization.key
        with self._database.write() as connection:
            if token is not None:
                known = _started(connection, organization, new.kind, token, parameters)
                if known is not None:
                    return known, False
            underway = jobs.c.recorded.is_(False) & (jobs.c.organization_key == organization)
            number = connection.execute(select(func.count()).select_from(jobs).where(underway)).scalar_one()
            if number >= MAX_OPEN_JOBS:
                raise LimitExceeded(
                    f"{number} open Jobs for User {new.principal.organization.name} Maximum limit: {MAX_OPEN_JOBS}"
                )
            job_id = secrets.token_hex(32)
            connection.execute(
                insert(jobs).values(
                    job_id=job_id,
                    kind=new.kind,
                    organization_key=organization,
                    principal_key=new.principal.key,
                    purpose=new.purpose,
                    authorization=new.authorization,
                    beneficiary=new.beneficiary,
                    use=new.use,
                    request_token=token,
                    parameters=parameters,
                    bucket=new.bucket,
                    object_name=new.object_name,
                    object_version=new.object_version,
                    object_tag=object_tag,
                    job_tag=new.job_tag,
                    topic=new.topic,
                    attributes=new.attributes,
                    collection_id=new.collection_id,
                    collection_uid=new.collection_uid,
                    threshold=new.threshold,
                    match_limit=new.match_limit,
                    state=JobState.IN_PROGRESS,
                    reached_ms=0,
                    created_at=now,
                    recorded=False,
                    leased_until=0.0,
                    attempts=0,
                )
            )
            return job_id, True

    def find(self, kind: JobKind, job_id: str, organization_key: int, now: float) -> Job | None:
        """The job of this id that the organization has started; None when there is none, or its time is over."""
        jobs = schema.video_jobs
        with self._database.read() as connection:
            own = (jobs.c.job_id == job_id) & (jobs.c.kind == kind) & (jobs.c.organization_key == organization_key)
            job = _job(connection, own)
        expired = job is not None and job.finished_at is not None and job.finished_at + RETENTION_SECONDS <= now
        return None if expired else job

    def claim(self, worker: str, now: float) -> Job | None:
        """The oldest job that nobody works on, which is this worker's from now on; None when there is none."""
        jobs = schema.video_jobs
        waiting = jobs.c.recorded.is_(False) & (jobs.c.leased_until <= now)
        oldest = select(jobs.c.key).where(waiting).order_by(jobs.c.key).limit(1)
        with self._database.read() as connection:
            # A queue in which nothing waits must not hold up writers.
            if connection.execute(oldest).first() is None:
                return None
        with self._database.write() as connection:
            key = connection.execute(oldest).scalar_one_or_none()
            if key is None:
                return None
            lease = {"worker": worker, "leased_until": now + LEASE_SECONDS, "attempts": jobs.c.attempts + 1}
            connection.execute(update(jobs).where(jobs.c.key == key).values(lease))
            return _job(connection, jobs.c.key == key)

    def renew(self, job: Job, worker: str, now: float) -> None:
        """Says that the worker is at work. Raises LeaseLost."""
        with self._database.write() as connection:
            _change(connection, job, worker, leased_until=now + LEASE_SECONDS)

    def opened(self, job: Job, worker: str, *, metadata: Mapping[str, Any], digest: str) -> None:
        """What the file says of itself, and its SHA-256. Raises LeaseLost."""
        with self._database.write() as connection:
            _change(connection, job, worker, metadata=json.dumps(dict(metadata)), digest=digest)

    def advance(
        self,
        job: Job,
        worker: str,
        now: float,
        *,
        reached_ms: int,
        faces: Sequence[SeenFace],
        progress: bytes | None = None,
    ) -> None:
        """A segment is done: its results, and where the next one begins. Raises LeaseLost; then nothing is kept."""
        with self._database.write() as connection:
            lease = now + LEASE_SECONDS
            _change(connection, job, worker, reached_ms=reached_ms, progress=progress, leased_until=lease, attempts=0)
            keep(connection, job.key, faces)

    def finish(
        self,
        job: Job,
        worker: str,
        now: float,
        *,
        failure: CountenanceError | None = None,
        matches: Sequence[MatchedFace] = (),
    ) -> None:
        """The job is over; it is shown as such when it is recorded. Raises LeaseLost."""
        state = JobState.SUCCEEDED if failure is None else JobState.FAILED
        code, message = (None, None) if failure is None else (failure.code, failure.message)
        with self._database.write() as connection:
            _change(
                connection,
                job,
                worker,
                state=state,
                failure=code,
                message=message,
                finished_at=now,
                progress=None,
                leased_until=now + LEASE_SECONDS,
            )
            if matches:
                rows = [
                    {
                        "job_key": job.key,
                        "person": match.person,
                        "face_key": match.face_key,
                        "similarity": match.similarity,
                    }
                    for match in matches
                ]
                connection.execute(insert(schema.video_matches), rows)

    def record(self, job: Job, worker: str, now: float, *, webhook: bool) -> None:
        """The ledger has what the job came to: it can be answered, and whoever wants to know is told."""
        told = [topic for topic in (job.topic,) if topic is not None] + ([None] if webhook else [])
        with self._database.write() as connection:
            _change(connection, job, worker, recorded=True, digest=None, worker=None)
            if told:
                rows = [{"job_key": job.key, "topic": topic, "due_at": now, "attempts": 0} for topic in told]
                connection.execute(insert(schema.video_notices), rows)

    def release(self, job: Job, worker: str, until: float, *, blameless: bool = False) -> None:
        """The worker leaves the job to whoever comes after this time. A lease that was lost is no matter.

        `blameless`: it is not the job's fault, and does not count as an attempt.
        """
        jobs = schema.video_jobs
        with self._database.write() as connection:
            own = (jobs.c.key == job.key) & (jobs.c.worker == worker) & jobs.c.recorded.is_(False)
            spared = {"attempts": jobs.c.attempts - 1} if blameless else {}
            connection.execute(update(jobs).where(own).values({"leased_until": until, **spared}))

    def is_abandoned(self, job: Job) -> bool:
        """Whether it was taken up as often as it may be without coming further."""
        return job.attempts > MAX_ATTEMPTS

    def is_last_attempt(self, job: Job) -> bool:
        """Whether it will be taken up no more if it comes no further now."""
        return job.attempts >= MAX_ATTEMPTS

    def faces(self, job: Job) -> int:
        """How many appearances of faces there are in its results."""
        with self._database.read() as connection:
            return number_of_faces(connection, job.key)

    def forget(self, now: float) -> int:
        """Deletes the jobs whose results can be asked for no longer, with these; how many."""
        jobs = schema.video_jobs
        over = jobs.c.recorded.is_(True) & (jobs.c.finished_at <= now - RETENTION_SECONDS)
        with self._database.read() as connection:
            keys = list(connection.execute(select(jobs.c.key).where(over)).scalars())
        if keys:
            with self._database.write() as connection:
                for table in (schema.video_faces, schema.video_matches, schema.video_notices):
                    connection.execute(delete(table).where(table.c.job_key.in_(keys)))
                connection.execute(delete(jobs).where(jobs.c.key.in_(keys)))
        return len(keys)


def _started(connection: Connection, organization: int, kind: JobKind, token: str, parameters: str) -> str | None:
    jobs = schema.video_jobs
    own = (jobs.c.organization_key == organization) & (jobs.c.kind == kind) & (jobs.c.request_token == token)
    known = connection.execute(select(jobs.c.job_id, jobs.c.parameters).where(own)).one_or_none()
    if known is None:
        return None
    if known.parameters != parameters:
        raise IdempotentParameterMismatch(f"The ClientRequestToken: {token} you have supplied is already in use.")
    return str(known.job_id)


def _change(connection: Connection, job: Job, holder: str, **values: Any) -> None:
    """Changes a job that is still its holder's. Raises LeaseLost."""
    jobs = schema.video_jobs
    own = (jobs.c.key == job.key) & (jobs.c.worker == holder) & jobs.c.recorded.is_(False)
    if connection.execute(update(jobs).where(own).values(values)).rowcount != 1:
        raise LeaseLost


def _job(connection: Connection, which: ColumnElement[bool]) -> Job | None:
    row = connection.execute(select(schema.video_jobs).where(which)).one_or_none()
    if row is None:
        return None
    principal = connection.execute(select_principals().where(schema.principals.c.key == row.principal_key)).one()
    return _of(row, to_principal(principal))


def _of(row: Row[Any], principal: Principal) -> Job:
    # Until the ledger has it, nobody is told that it is over.
    return Job(
        kind=JobKind(row.kind),
        principal=principal,
        purpose=row.purpose,
        use=row.use,
        bucket=row.bucket,
        object_name=row.object_name,
        object_version=row.object_version,
        authorization=row.authorization,
        beneficiary=row.beneficiary,
        job_tag=row.job_tag,
        topic=row.topic,
        attributes=row.attributes,
        collection_id=row.collection_id,
        collection_uid=row.collection_uid,
        threshold=row.threshold,
        match_limit=row.match_limit or 0,
        key=row.key,
        job_id=row.job_id,
        object_tag=row.object_tag,
        state=JobState(row.state),
        failure=row.failure,
        message=row.message,
        metadata=None if row.metadata is None else json.loads(row.metadata),
        digest=row.digest,
        reached_ms=row.reached_ms,
        progress=row.progress,
        created_at=row.created_at,
        finished_at=row.finished_at,
        recorded=row.recorded,
        attempts=row.attempts,
    )
