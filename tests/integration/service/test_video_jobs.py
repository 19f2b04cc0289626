"""Jobs on stored video, by the real store, the real models and videos that are composed of photos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from countenance.errors import (
    AccessDenied,
    IdempotentParameterMismatch,
    InvalidPaginationToken,
    InvalidParameter,
    InvalidS3Object,
    LimitExceeded,
    ResourceNotFound,
    VideoTooLarge,
)
from countenance.ledger import entries
from countenance.policy.decisions import Decision, Obligations
from countenance.policy.gate import NO_SET, Gate, Verdict
from countenance.policy.requests import RequestFacts
from countenance.policy.vocabulary import LegalBasis, OrganizationKind, Purpose
from countenance.service.actions import Action
from countenance.service.application import Application
from countenance.service.callers import Caller
from countenance.service.photos import PhotoBytes, PhotoObject
from countenance.service.video_shift import Shift
from countenance.service.videos import VideoResults, Wishes
from countenance.settings import Settings
from countenance.storage.objects import S3Photos, StoreFailed
from countenance.storage.salts import commitment, face_subject
from countenance.video.jobs import MAX_ATTEMPTS, MAX_OPEN_JOBS, RETENTION_SECONDS, JobKind, JobState
from tests.films import film, still

from .conftest import NOON, Clock

# An MP4 that breaks off, and what is none.
BROKEN, TEXT = "broken.mp4", "notes.txt"
OBAMA, BOTH, LONG, EMPTY = "obama.mp4", "both.mp4", "long.mp4", "empty.mp4"


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def videos(store: str, portraits: dict[str, Path]) -> Any:
    """A client of the store, with videos in the bucket `videos`."""
    client = boto3.client(
        "s3", endpoint_url=store, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.create_bucket(Bucket="videos")
    obama, coffee = still(portraits["obama.jpg"]), np.full((320, 320, 3), 90, np.uint8)
    content = film([(obama, 2.0)])
    long = film([(obama, 1.0), (coffee, 10.0), (obama, 1.0)])
    both = np.concatenate([obama, still(portraits["biden.jpg"])], axis=1)
    for name, body in {
        OBAMA: content,
        BOTH: film([(both, 2.0)]),
        LONG: long,
        EMPTY: film([(coffee, 1.0)]),
        BROKEN: long[: len(long) - len(long) // 3],
        TEXT: b"dear diary, nothing happened today",
    }.items():
        client.put_object(Bucket="videos", Key=name, Body=body)
    return client


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def application(
    tmp_path_factory: pytest.TempPathFactory, models: Path, store: str, videos: Any, clock: Clock
) -> Iterator[Application]:
    settings = Settings(
        data=tmp_path_factory.mktemp("videos") / "data",
        model_store=models,
        s3_endpoint_url=store,
        s3_access_key_id="a",
        s3_secret_access_key="b",
        s3_buckets=frozenset({"videos"}),
    )
    application = Application(settings, clock=clock)
    operator = application.locals.caller()
    application.organizations.create(operator, "archive", OrganizationKind.COMMERCIAL)
    application.organizations.create_principal(
        operator, "liv", "archive", trained_until=NOON.replace(year=NOON.year + 1)
    )
    yield application
    application.close()


@pytest.fixture
def operator(application: Application) -> Iterator[Caller]:
    """The operator; what a test leaves in the queue is worked off, so that tests keep apart."""
    yield application.locals.caller()
    while application.video_work.work():
        pass


def video(name: str) -> PhotoObject:
    return PhotoObject("videos", name)


def worked_off(application: Application, caller: Caller, name: str, **options: Any) -> VideoResults:
    """What comes of detecting faces in a video."""
    job_id = application.videos.start_face_detection(caller, video(name), **options)
    assert application.video_work.work()
    return application.videos.get_face_detection(caller, job_id)


def test_faces_are_found_about_every_half_second(application: Application, operator: Caller) -> None:
    results = worked_off(application, operator, OBAMA)
    assert results.state is JobState.SUCCEEDED
    assert [seen.timestamp_ms for seen in results.faces] == [0, 500, 1000, 1500]
    assert all(seen.detail.confidence > 90 and seen.detail.age_range is None for seen in results.faces)
    assert (results.metadata["codec"], results.metadata["duration_ms"]) == ("h264", 2000)
    assert (results.metadata["frame_width"], results.metadata["frame_height"]) == (320, 320)


def test_all_attributes_are_told_but_the_two_that_video_has_not(application: Application, operator: Caller) -> None:
    detail = worked_off(application, operator, OBAMA, attributes="ALL").faces[0].detail
    assert detail.smile is not None
    assert len(detail.landmarks) == 30
    assert detail.face_occluded is None
    assert detail.eye_direction is None


def test_a_video_without_faces_has_none(application: Application, operator: Caller) -> None:
    results = worked_off(application, operator, EMPTY)
    assert (results.state, list(results.faces)) == (JobState.SUCCEEDED, [])


def test_until_it_is_over_a_job_is_in_progress(application: Application, operator: Caller) -> None:
    job_id = application.videos.start_face_detection(operator, video(OBAMA))
    results = application.videos.get_face_detection(operator, job_id)
    assert (results.state, list(results.faces), results.next_token) == (JobState.IN_PROGRESS, [], None)


def test_a_damaged_video_fails_and_says_what_could_be_read(application: Application, operator: Caller) -> None:
    results = worked_off(application, operator, BROKEN)
    assert results.state is JobState.FAILED
    assert "damaged" in (results.job.message or "")


def test_what_is_no_video_fails(application: Application, operator: Caller) -> None:
    results = worked_off(application, operator, TEXT)
    assert results.state is JobState.FAILED
    assert "MP4, MOV, WebM, AVI, OGG" in (results.job.message or "")


def test_a_video_that_is_replaced_before_it_is_read_fails(
    application: Application, operator: Caller, videos: Any
) -> None:
    videos.put_object(Bucket="videos", Key="changing.mp4", Body=b"one")
    job_id = application.videos.start_face_detection(operator, video("changing.mp4"))
    videos.put_object(Bucket="videos", Key="changing.mp4", Body=b"another")
    application.video_work.work()
    results = application.videos.get_face_detection(operator, job_id)
    assert results.state is JobState.FAILED
    assert "replaced" in (results.job.message or "")


@pytest.mark.parametrize("failures", [1, MAX_ATTEMPTS])
def test_a_store_that_breaks_off_is_asked_again_some_times(
    application: Application, operator: Caller, clock: Clock, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    genuine, left = S3Photos.save, [StoreFailed()] * failures

    def save(*arguments: Any, **options: Any) -> None:
        if left:
            raise left.pop()
        genuine(*arguments, **options)

    monkeypatch.setattr(S3Photos, "save", save)
    job_id = application.videos.start_face_detection(operator, video(OBAMA))
    while application.video_work.work():
        clock.passes(seconds=20)
    results = application.videos.get_face_detection(operator, job_id)
    expected = (JobState.SUCCEEDED, None) if failures < MAX_ATTEMPTS else (JobState.FAILED, "InvalidS3ObjectException")
    assert (results.state, results.job.failure) == expected


def test_what_cannot_be_read_is_refused_at_once(application: Application, operator: Caller) -> None:
    with pytest.raises(InvalidS3Object):
        application.videos.start_face_detection(operator, video("nowhere.mp4"))
    with pytest.raises(InvalidS3Object, match="its operator lists those"):
        application.videos.start_face_detection(operator, PhotoObject("payroll", OBAMA))
    assert not application.video_work.work()


def test_a_video_that_is_too_large_is_refused_at_once(
    application: Application, operator: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = application.settings.model_copy(update={"max_video_bytes": 100})
    monkeypatch.setattr(application.videos, "_settings", small)
    with pytest.raises(VideoTooLarge, match="more than the maximum limit of: 100 bytes"):
        application.videos.start_face_detection(operator, video(OBAMA))


def test_a_topic_that_is_not_listed_is_refused(application: Application, operator: Caller) -> None:
    wishes = Wishes(topic="arn:aws:sns:us-east-1:123456789012:elsewhere")
    with pytest.raises(InvalidParameter, match="sns_topics"):
        application.videos.start_face_detection(operator, video(OBAMA), wishes)


def test_a_request_that_is_sent_twice_is_one_job(application: Application, operator: Caller) -> None:
    twice = Wishes(token="once", job_tag="holiday")
    first = application.videos.start_face_detection(operator, video(OBAMA), twice)
    assert application.videos.start_face_detection(operator, video(OBAMA), twice) == first
    with pytest.raises(IdempotentParameterMismatch, match="The ClientRequestToken: once you have supplied"):
        application.videos.start_face_detection(operator, video(OBAMA), twice, attributes="ALL")
    assert application.video_work.work()
    assert not application.video_work.work()
    assert application.videos.get_face_detection(operator, first).job.job_tag == "holiday"


def test_only_so_many_jobs_are_under_way(application: Application) -> None:
    liv = application.locals.caller("liv")
    begun = [application.videos.start_face_detection(liv, video(TEXT)) for _ in range(MAX_OPEN_JOBS)]
    with pytest.raises(LimitExceeded, match="20 open Jobs for User archive Maximum limit: 20"):
        application.videos.start_face_detection(liv, video(TEXT))
    while application.video_work.work():
        pass
    assert application.videos.get_face_detection(liv, begun[-1]).state is JobState.FAILED


def test_a_job_is_seen_by_the_organization_that_started_it_alone(application: Application, operator: Caller) -> None:
    job_id = application.videos.start_face_detection(operator, video(OBAMA))
    with pytest.raises(ResourceNotFound):
        application.videos.get_face_detection(application.locals.caller("liv"), job_id)
    with pytest.raises(ResourceNotFound):
        application.videos.get_face_detection(operator, 64 * "0")


def test_results_come_in_pages_of_one_job_for_a_day(application: Application, operator: Caller, clock: Clock) -> None:
    job_id = worked_off(application, operator, OBAMA).job.job_id
    other = worked_off(application, operator, OBAMA).job.job_id
    page = application.videos.get_face_detection(operator, job_id, max_results=3)
    assert [seen.timestamp_ms for seen in page.faces] == [0, 500, 1000]
    token = page.next_token
    last = application.videos.get_face_detection(operator, job_id, max_results=3, token=token)
    assert ([seen.timestamp_ms for seen in last.faces], last.next_token) == ([1500], None)
    for wrong in (token, "nonsense"):
        with pytest.raises(InvalidPaginationToken):
            application.videos.get_face_detection(operator, other, token=wrong)
    clock.passes(hours=25)
    with pytest.raises(InvalidPaginationToken):
        application.videos.get_face_detection(operator, job_id, token=token)


def test_results_are_kept_for_a_week(application: Application, operator: Caller, clock: Clock) -> None:
    job_id = worked_off(application, operator, OBAMA).job.job_id
    clock.passes(seconds=RETENTION_SECONDS - 60)
    assert application.videos.get_face_detection(operator, job_id).faces
    clock.passes(seconds=60)
    with pytest.raises(ResourceNotFound):
        application.videos.get_face_detection(operator, job_id)
    with application.database.read() as connection:
        before = connection.exec_driver_sql("SELECT count(*) FROM video_faces").scalar_one()
    assert application.video_work._jobs.forget(clock.now.timestamp())
    with application.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM video_faces").scalar_one() < before


class TestASecondWorker:
    """Goes on where the first one was killed, after its last whole segment."""

    def test_nothing_is_lost_and_no_more_than_a_segment_repeated(
        self, application: Application, operator: Caller, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = application.videos.start_face_detection(operator, video(LONG))
        described: list[Any] = []
        genuine = Shift._described

        class Killed(BaseException):
            """What no handler catches, as nothing catches the end of a process."""

        def dies_after_the_first_segment(shift: Shift, photo: Any) -> Any:
            described.append(photo)
            if len(described) == 22:
                raise Killed
            return genuine(shift, photo)

        monkeypatch.setattr(Shift, "_described", dies_after_the_first_segment)
        with pytest.raises(Killed):
            application.video_work.work()
        assert not application.video_work.work(), "the lease of the dead worker still runs"
        clock.passes(minutes=2)
        assert application.video_work.work()
        results = application.videos.get_face_detection(operator, job_id)
        assert results.state is JobState.SUCCEEDED
        assert [seen.timestamp_ms for seen in results.faces] == [0, 500, 11_000, 11_500]
        assert len(described) == 24 + 2, "the two frames after the first segment were looked at twice"

    def test_a_video_that_kills_whoever_reads_it_is_given_up(
        self, application: Application, operator: Caller, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = application.videos.start_face_detection(operator, video(OBAMA))
        monkeypatch.setattr(Shift, "_described", lambda *_: 1 / 0)
        for _ in range(MAX_ATTEMPTS):
            assert application.video_work.work()
            assert application.videos.get_face_detection(operator, job_id).state is JobState.IN_PROGRESS
            clock.passes(seconds=20)
        assert application.video_work.work()
        results = application.videos.get_face_detection(operator, job_id)
        assert (results.state, results.job.failure) == (JobState.FAILED, "InternalServerError")


def test_a_job_is_one_use_that_the_ledger_closes_when_it_is_over(application: Application, operator: Caller) -> None:
    before = application.ledger.size()
    job_id = application.videos.start_face_detection(operator, video(OBAMA))
    begun = [entries.read(leaf) for leaf in application.ledger.entries(before, before + 10)]
    assert [entry.kind for entry in begun] == ["intent", "decision"]
    assert application.ledger.dangling()
    application.video_work.work()
    (outcome,) = [entries.read(leaf) for leaf in application.ledger.entries(before + 2, before + 10)]
    assert isinstance(outcome, entries.Outcome)
    assert (outcome.use, outcome.faces, outcome.refused) == (begun[0].use, 4, None)
    assert len(outcome.probes) == 1
    assert application.ledger.dangling() == []
    assert (
        application.videos._jobs.find(JobKind.FACE_DETECTION, job_id, operator.principal.organization.key, 0).digest
        is None
    )


@pytest.fixture
def presidents(application: Application, operator: Caller, portraits: dict[str, Path]) -> Iterator[str]:
    """The FaceId of Obama's face in the collection `presidents`."""
    application.collections.create(operator, "presidents", {})
    photo = PhotoBytes(portraits["obama2.jpg"].read_bytes())
    indexed = application.enrolment.index_faces(operator, "presidents", photo, external_image_id="obama")
    yield indexed.records[0][0].face_id
    with suppress(ResourceNotFound):
        application.collections.delete(operator, "presidents")


class TestASearch:
    """Of the people of a video in a collection."""

    def searched(self, application: Application, caller: Caller, name: str) -> str:
        job_id = application.videos.start_face_search(caller, video(name), "presidents")
        assert application.video_work.work()
        return job_id

    def test_who_is_enrolled_is_found_and_who_is_not_is_seen(
        self, application: Application, operator: Caller, presidents: str
    ) -> None:
        job_id = self.searched(application, operator, BOTH)
        results = application.videos.get_face_search(operator, job_id, by_person=True)
        assert results.state is JobState.SUCCEEDED
        assert [(seen.person, seen.timestamp_ms) for seen in results.faces] == [
            (person, at) for person in (0, 1) for at in (0, 500, 1000, 1500)
        ]
        left = {seen.person: seen.detail.bounding_box.left for seen in results.faces}
        ((person, ((similarity, face),)),) = results.matches.items()
        assert left[person] < 0.5, "Obama is on the left"
        assert (face.face_id, face.external_image_id) == (presidents, "obama")
        assert similarity >= 80.0
        by_time = application.videos.get_face_search(operator, job_id)
        assert [seen.timestamp_ms for seen in by_time.faces] == [0, 0, 500, 500, 1000, 1000, 1500, 1500]

    def test_the_ledger_has_who_was_found_by_commitment(
        self, application: Application, operator: Caller, presidents: str
    ) -> None:
        before = application.ledger.size()
        self.searched(application, operator, BOTH)
        *_, outcome = [entries.read(leaf) for leaf in application.ledger.entries(before, before + 10)]
        assert isinstance(outcome, entries.Outcome)
        assert outcome.model is not None
        assert outcome.threshold == 80.0
        assert outcome.candidates is not None
        (candidate,) = outcome.candidates
        (salt,) = application.salts.of([face_subject(_key(application, presidents))]).values()
        assert candidate.commitment == commitment(salt, "candidate", outcome.use, presidents)

    def test_a_face_that_is_deleted_is_found_no_more(
        self, application: Application, operator: Caller, presidents: str
    ) -> None:
        job_id = self.searched(application, operator, OBAMA)
        assert application.videos.get_face_search(operator, job_id).matches[0]
        application.enrolment.delete_faces(operator, "presidents", [presidents])
        results = application.videos.get_face_search(operator, job_id)
        assert len(results.faces) == 4
        assert not any(results.matches.values())

    @pytest.mark.usefixtures("presidents")
    def test_a_collection_that_is_deleted_meanwhile_fails_the_job(
        self, application: Application, operator: Caller
    ) -> None:
        job_id = application.videos.start_face_search(operator, video(OBAMA), "presidents")
        application.collections.delete(operator, "presidents")
        application.collections.create(operator, "presidents", {})
        assert application.video_work.work()
        results = application.videos.get_face_search(operator, job_id)
        assert results.state is JobState.FAILED
        assert results.job.message == "The collection id: presidents does not exist"

    def test_an_unknown_collection_is_not_found(self, application: Application, operator: Caller) -> None:
        with pytest.raises(ResourceNotFound, match="The collection id: nowhere does not exist"):
            application.videos.start_face_search(operator, video(OBAMA), "nowhere")

    @pytest.mark.usefixtures("presidents")
    def test_what_was_found_is_told_for_the_purpose_it_was_permitted_for(
        self, application: Application, operator: Caller
    ) -> None:
        job_id = self.searched(application, operator, OBAMA)
        with pytest.raises(AccessDenied, match="for what it was permitted for"):
            application.videos.get_face_search(application.locals.caller(purpose=Purpose.IDENTITY_VERIFICATION), job_id)

    @pytest.mark.usefixtures("presidents")
    def test_whether_it_may_be_told_is_decided_again(
        self, application: Application, operator: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As when a moratorium began since, or an authorization was revoked."""
        job_id = self.searched(application, operator, OBAMA)
        genuine = Gate.decide

        def no_more_searches(gate: Gate, request: RequestFacts) -> Verdict:
            verdict = genuine(gate, request)
            if request.action == Action.START_FACE_SEARCH:
                return Verdict(Decision(allowed=False), verdict.policy_set)
            return verdict

        monkeypatch.setattr(Gate, "decide", no_more_searches)
        with pytest.raises(AccessDenied):
            application.videos.get_face_search(operator, job_id)

    @pytest.mark.usefixtures("presidents")
    def test_an_authorization_for_one_search_lets_its_results_be_read_until_it_is_revoked(
        self, application: Application, operator: Caller, clock: Clock
    ) -> None:
        """By the policies that come with the server. To read results takes no use of it."""
        organizations, locals_ = application.organizations, application.locals
        organizations.create(operator, "rescue", OrganizationKind.CHILD_PROTECTION)
        organizations.create_principal(operator, "ann", "rescue", trained_until=clock.now + timedelta(days=365))
        terms: dict[str, Any] = {"basis": LegalBasis.MISSING_PERSON_ORDER, "case_reference": "2026-117", "max_uses": 1}
        order = application.authorizations.request(locals_.caller("ann"), purpose=Purpose.MISSING_CHILD, **terms)
        application.authorizations.approve(operator, order.uid)
        ann = locals_.caller("ann", purpose=Purpose.MISSING_CHILD, authorization=order.uid)
        job_id = self.searched(application, ann, OBAMA)
        for _ in range(2):
            assert application.videos.get_face_search(ann, job_id).matches[0]
        with pytest.raises(AccessDenied):
            application.videos.start_face_search(ann, video(OBAMA), "presidents")
        application.authorizations.revoke(operator, order.uid)
        with pytest.raises(AccessDenied):
            application.videos.get_face_search(ann, job_id)

    @pytest.mark.usefixtures("presidents")
    def test_what_would_owe_a_review_is_denied(
        self, application: Application, operator: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A job has nowhere to keep its matches back."""
        owing = Verdict(Decision(allowed=True, obligations=Obligations(human_review=2)), NO_SET)
        monkeypatch.setattr(Gate, "decide", lambda *_: owing)
        with pytest.raises(AccessDenied, match="cannot keep back what it finds for review"):
            application.videos.start_face_search(operator, video(OBAMA), "presidents")

    @pytest.mark.usefixtures("presidents")
    def test_a_second_worker_goes_on_with_the_same_people_and_leaves_no_template(
        self, application: Application, operator: Caller, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = application.videos.start_face_search(operator, video(LONG), "presidents")
        genuine = Shift._live

        class Killed(BaseException):
            """What no handler catches, as nothing catches the end of a process."""

        def dies_after_the_first_segment(shift: Shift) -> None:
            genuine(shift)
            if shift._job.progress is not None:
                raise Killed

        monkeypatch.setattr(Shift, "_live", dies_after_the_first_segment)
        with pytest.raises(Killed):
            application.video_work.work()
        monkeypatch.setattr(Shift, "_live", genuine)
        with application.database.read() as connection:
            (progress,) = connection.exec_driver_sql("SELECT progress FROM video_jobs WHERE progress NOTNULL").scalars()
        assert b"portraits" not in progress, "it is sealed"
        clock.passes(minutes=2)
        assert application.video_work.work()
        results = application.videos.get_face_search(operator, job_id)
        assert results.state is JobState.SUCCEEDED
        assert [seen.timestamp_ms for seen in results.faces] == [0, 500, 11_000, 11_500]
        assert all(results.matches[seen.person or 0] for seen in results.faces)
        with application.database.read() as connection:
            assert not list(connection.exec_driver_sql("SELECT 1 FROM video_jobs WHERE progress NOTNULL"))


def test_people_are_tracked_without_being_recognised(
    application: Application, operator: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded = mock.Mock(wraps=application.vision.recognizer)
    monkeypatch.setattr(application.vision, "recognizer", embedded)
    job_id = application.videos.start_person_tracking(operator, video(BOTH))
    assert application.video_work.work()
    results = application.videos.get_person_tracking(operator, job_id, by_person=True)
    assert results.state is JobState.SUCCEEDED
    assert [seen.person for seen in results.faces] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert not embedded.called
    with pytest.raises(ResourceNotFound):
        application.videos.get_face_search(operator, job_id)


def _key(application: Application, face_id: str) -> int:
    (face,) = application.enrolment._faces.get("presidents", [face_id]).values()
    return face.key
