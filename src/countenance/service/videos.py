"""Use cases on stored video: jobs are started, and asked later what they found.

A job is one use: decided and recorded when it is started, closed when it is over by `service.video_work`. To be told
its results is a use of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from countenance.errors import ResourceNotFound
from countenance.service.actions import Action
from countenance.service.callers import Caller
from countenance.service.pagination import passing_token, place
from countenance.service.photos import PhotoObject
from countenance.service.uses import Uses
from countenance.settings import Settings
from countenance.storage.objects import S3Photos
from countenance.storage.topics import Topics
from countenance.video.jobs import Job, JobKind, Jobs, JobState, NewJob
from countenance.video.results import Results, SeenFace

# Rekognition's page of video results, which is also the largest.
MAX_RESULTS = 1000

ALL = "ALL"
DEFAULT = "DEFAULT"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What every Start takes beside the video: a token that makes it happen once, a tag, and a topic (ARN) to tell."""

    token: str | None = None
    job_tag: str | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class VideoResults:
    """How a job stands, and a page of what it found. `state` is IN_PROGRESS until the ledger has what it came to."""

    job: Job
    state: JobState
    faces: Sequence[SeenFace] = ()
    next_token: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Videos:
    """Starts jobs on videos of the store, and answers what they found to the organization that started them."""

    def __init__(
        self, *, uses: Uses, jobs: Jobs, results: Results, objects: S3Photos, topics: Topics, settings: Settings
    ) -> None:
        self._uses = uses
        self._jobs = jobs
        self._results = results
        self._objects = objects
        self._topics = topics
        self._settings = settings

    def start_face_detection(
        self, caller: Caller, video: PhotoObject, wishes: Wishes = Wishes(), *, attributes: str = DEFAULT
    ) -> str:
        """The JobId. `attributes` is DEFAULT or ALL.

        Raises `InvalidS3Object`, `VideoTooLarge`, `IdempotentParameterMismatch`, `LimitExceeded`, and
        `InvalidParameter` for a topic that is not listed.
        """
        with self._uses.use(caller, Action.START_FACE_DETECTION) as use:
            new = self._job(JobKind.FACE_DETECTION, caller, use.id, video, wishes, attributes=attributes)
            job_id, is_new = self._start(new, wishes)
            use.state(job=job_id)
            if is_new:
                use.goes_on()
            return job_id

    def get_face_detection(
        self, caller: Caller, job_id: str, *, max_results: int = MAX_RESULTS, token: str | None = None
    ) -> VideoResults:
        """How the job stands; its faces by time once it is over.

        Raises `ResourceNotFound` for a job that this organization has not, `InvalidPaginationToken`.
        """
        with self._uses.use(caller, Action.GET_FACE_DETECTION) as use:
            results = self._page(JobKind.FACE_DETECTION, caller, job_id, max_results, token)
            use.saw(len(results.faces))
            use.state(job=job_id)
            return results

    def _job(self, kind: JobKind, caller: Caller, use: str, video: PhotoObject, wishes: Wishes, **more: Any) -> NewJob:
        return NewJob(
            kind=kind,
            principal=caller.principal,
            purpose=caller.purpose,
            use=use,
            bucket=video.bucket,
            object_name=video.name,
            object_version=video.version,
            authorization=caller.authorization,
            beneficiary=None if caller.beneficiary is None else caller.beneficiary.uid,
            job_tag=wishes.job_tag,
            topic=wishes.topic,
            **more,
        )

    def _start(self, new: NewJob, wishes: Wishes) -> tuple[str, bool]:
        """The JobId, and whether it is a new job."""
        if wishes.topic is not None:
            self._topics.check(wishes.topic)
        parameters = _digest(new)
        known = self._jobs.started(new.principal.organization.key, new.kind, wishes.token, parameters)
        if known is not None:
            return known, False
        limit = self._settings.max_video_bytes
        found = self._objects.look(new.bucket, new.object_name, new.object_version, limit)
        now = self._uses.now().timestamp()
        return self._jobs.start(new, now, token=wishes.token, parameters=parameters, object_tag=found.tag)

    def _find(self, kind: JobKind, caller: Caller, job_id: str) -> Job:
        now = self._uses.now().timestamp()
        job = self._jobs.find(kind, job_id, caller.principal.organization.key, now)
        if job is None:
            raise ResourceNotFound(f"The job id: {job_id} does not exist, or its results are kept no longer")
        return job

    def _page(
        self, kind: JobKind, caller: Caller, job_id: str, wanted: int, token: str | None, *, by_person: bool = False
    ) -> VideoResults:
        job = self._find(kind, caller, job_id)
        now = self._uses.now().timestamp()
        request = [kind, job_id, caller.principal.organization.uid, by_person]
        start, limit = place(request, token, now), min(wanted, MAX_RESULTS)
        if not job.recorded:
            return VideoResults(job, JobState.IN_PROGRESS)
        # One more than is answered tells whether there are more.
        faces = self._results.faces(job.key, start, limit + 1, by_person=by_person)
        more = passing_token(request, start + limit, now) if len(faces) > limit else None
        return VideoResults(job, job.state, faces[:limit], more, job.metadata or {})


def _digest(new: NewJob) -> str:
    """SHA-256 of what must be the same for a ClientRequestToken to be the same request."""
    asked = [
        new.bucket,
        new.object_name,
        new.object_version,
        new.job_tag,
        new.topic,
        new.attributes,
        new.collection_id,
        new.threshold,
        new.purpose,
        new.authorization,
        new.beneficiary,
    ]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()
