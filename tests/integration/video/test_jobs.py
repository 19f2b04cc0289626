"""The queue of jobs, on SQLite and on PostgreSQL: each job is one worker's at a time, and nobody's for long."""

from __future__ import annotations

from typing import Any

import pytest

from countenance.errors import IdempotentParameterMismatch, InvalidVideo
from countenance.faces import BoundingBox
from countenance.storage.database import Database
from countenance.storage.principals import Principal, Principals
from countenance.video.jobs import (
    LEASE_SECONDS,
    MAX_ATTEMPTS,
    RETENTION_SECONDS,
    JobKind,
    Jobs,
    JobState,
    LeaseLost,
    NewJob,
)
from countenance.video.results import MatchedFace, Results, SeenFace
from countenance.vision.details import FaceDetail, Landmark, LandmarkType, Pose, Quality
from tests.integration.simultaneous import at_once

NOW = 1_764_000_000.0


@pytest.fixture
def liv(database: Database) -> Principal:
    principals = Principals(database)
    principals.create_organization("archive", "commercial")
    return principals.create("liv", "archive", trained_until=NOW)


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return Jobs(database)


def start(jobs: Jobs, principal: Principal, *, token: str | None = None, parameters: str = "", **more: Any) -> str:
    new = NewJob(JobKind.FACE_SEARCH, principal, "photo_library", "u-0", "videos", "a.mp4", **more)
    return jobs.start(new, NOW, token=token, parameters=parameters, object_tag=None)[0]


def seen(timestamp_ms: int, person: int | None = None) -> SeenFace:
    """A face of which as little is said as can be."""
    marks = (Landmark(LandmarkType.NOSE, 0.5, 0.25),)
    box = BoundingBox(0.1, 0.2, 0.3, 0.4)
    return SeenFace(timestamp_ms, FaceDetail(box, 99.5, marks, Pose(1, 2, 3), Quality(50, 60), side=40), person)


def test_the_oldest_job_is_taken_up_first_and_by_one_worker(jobs: Jobs, liv: Principal) -> None:
    first, second = start(jobs, liv), start(jobs, liv)
    claimed = [jobs.claim(worker, NOW) for worker in ("a", "b", "c")]
    assert [job and job.job_id for job in claimed] == [first, second, None]


def test_workers_that_come_at_once_get_different_jobs(jobs: Jobs, liv: Principal) -> None:
    begun = {start(jobs, liv) for _ in range(4)}
    claimed = at_once(4, lambda number: jobs.claim(f"worker-{number}", NOW))
    assert {job.job_id for job in claimed if job is not None} == begun


def test_a_job_whose_worker_is_gone_is_taken_up_where_it_was(jobs: Jobs, liv: Principal, database: Database) -> None:
    start(jobs, liv)
    job = jobs.claim("first", NOW)
    assert job is not None
    jobs.advance(job, "first", NOW, reached_ms=10_000, faces=[seen(0, 0), seen(500, 1)], progress=b"sealed")
    assert jobs.claim("second", NOW + LEASE_SECONDS - 1) is None
    taken = jobs.claim("second", NOW + LEASE_SECONDS)
    assert taken is not None
    assert (taken.reached_ms, taken.progress) == (10_000, b"sealed")
    with pytest.raises(LeaseLost):
        jobs.advance(job, "first", NOW, reached_ms=20_000, faces=[seen(10_000)])
    with pytest.raises(LeaseLost):
        jobs.renew(job, "first", NOW)
    jobs.advance(taken, "second", NOW, reached_ms=20_000, faces=[seen(11_000, 0)])
    found = Results(database).faces(taken.key, 0, 10)
    assert found == [seen(0, 0), seen(500, 1), seen(11_000, 0)]
    by_person = Results(database).faces(taken.key, 1, 10, by_person=True)
    assert by_person == [seen(11_000, 0), seen(500, 1)]


def test_a_worker_at_work_keeps_its_job(jobs: Jobs, liv: Principal) -> None:
    start(jobs, liv)
    job = jobs.claim("first", NOW)
    assert job is not None
    jobs.renew(job, "first", NOW + LEASE_SECONDS - 1)
    assert jobs.claim("second", NOW + LEASE_SECONDS) is None


def test_attempts_that_come_no_further_are_counted(jobs: Jobs, liv: Principal) -> None:
    start(jobs, liv)
    for attempt in range(MAX_ATTEMPTS):
        job = jobs.claim("w", NOW)
        assert job is not None
        assert not jobs.is_abandoned(job), attempt
        jobs.release(job, "w", NOW)
    job = jobs.claim("w", NOW)
    assert job is not None
    assert jobs.is_abandoned(job)
    jobs.advance(job, "w", NOW, reached_ms=1, faces=[])
    jobs.release(job, "w", NOW)
    job = jobs.claim("w", NOW)
    assert job is not None
    assert not jobs.is_abandoned(job)


def test_what_it_came_to_is_kept_a_week_and_then_nowhere(jobs: Jobs, liv: Principal, database: Database) -> None:
    job_id = start(jobs, liv)
    job = jobs.claim("w", NOW)
    assert job is not None
    jobs.advance(job, "w", NOW, reached_ms=10, faces=[seen(0, 0)], progress=b"sealed")
    jobs.finish(job, "w", NOW, failure=InvalidVideo("It broke off."), matches=[MatchedFace(0, 7, 91.5)])
    jobs.record(job, "w", NOW, webhook=True)
    organization = liv.organization.key
    over = jobs.find(JobKind.FACE_SEARCH, job_id, organization, NOW)
    assert over is not None
    assert (over.state, over.message, over.progress) == (JobState.FAILED, "It broke off.", None)
    assert Results(database).matches(job.key) == [MatchedFace(0, 7, 91.5)]
    assert jobs.find(JobKind.PERSON_TRACKING, job_id, organization, NOW) is None
    assert jobs.find(JobKind.FACE_SEARCH, job_id, organization + 1, NOW) is None
    assert jobs.forget(NOW + RETENTION_SECONDS - 1) == 0
    assert jobs.find(JobKind.FACE_SEARCH, job_id, organization, NOW + RETENTION_SECONDS) is None
    assert jobs.forget(NOW + RETENTION_SECONDS) == 1
    with database.read() as connection:
        for table in ("video_jobs", "video_faces", "video_matches", "video_notices"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == 0


def test_a_token_is_one_job_also_when_it_comes_twice_at_once(jobs: Jobs, liv: Principal) -> None:
    begun = at_once(4, lambda _: start(jobs, liv, token="once"))
    assert len(set(begun)) == 1
    assert jobs.started(liv.organization.key, JobKind.FACE_SEARCH, "once", "") == begun[0]
    assert jobs.started(liv.organization.key, JobKind.FACE_DETECTION, "once", "") is None
    with pytest.raises(IdempotentParameterMismatch):
        start(jobs, liv, token="once", parameters="others")
